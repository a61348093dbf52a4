"""The verifier's HTTP API as an ASGI application. It gives no details about tokens that don't exist."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from tenure.domain.verification import Code, Decision, Question
from tenure.observability.catalogue import (
    DEAD_KEY_HITS,
    MOST_KEY_IDS,
    OTHER,
    VERIFY,
    VERIFY_DURATION,
    VERIFY_UNAVAILABLE,
)
from tenure.observability.metrics import Meter
from tenure.verifier.callers import Callers
from tenure.verifier.http.access_log import AnswerLog, Line
from tenure.verifier.http.answers import details, identity_headers, token_review
from tenure.verifier.http.errors import BadRequestError
from tenure.verifier.http.openapi import openapi
from tenure.verifier.http.requests import (
    AUTHORIZE,
    USAGE,
    Receive,
    Request,
    Scope,
    parse_usage,
    parse_verify,
    read_body,
    read_head,
)
from tenure.verifier.usage import AUDIENCE, UsageRecord
from tenure.verifier.verifier import Answer, StaleError, Verifier

log = logging.getLogger("tenure.verify")

FAILURES_PER_MINUTE = 600
"""Maximum number of failed requests from one address in a minute. The answers to further ones give no reason.

All clients behind a proxy share its address. So a request with a valid key is never slowed down, and one with another
key gets the usual answer without its reason.
"""

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _NOT_ALLOWED, _UNAVAILABLE = 401, 403, 404, 405, 503
_FAILURES, _STRANGERS = "failures", "strangers"
_ALWAYS = [(b"cache-control", b"no-store")]
_JSON = (b"content-type", b"application/json")
_BASIC = (b"www-authenticate", 'Basic realm="Tenure"')
"""Before the challenge for Bearer, because nginx before 1.23 passes on only the first one, and programs that know Basic
alone, such as Git, send nothing without it."""
_WORKS = {Code.VALID, Code.FORBIDDEN}
_UNTOLD = Answer(Decision(Code.NOT_FOUND), proven=False)
"""The answer for an address that failed too often."""


@dataclass(frozen=True)
class Reply:
    """An HTTP response."""

    status: int
    body: bytes = b""
    """JSON, or empty."""
    headers: Sequence[tuple[bytes, str]] = ()

    @classmethod
    def json(cls, status: int, document: Mapping[str, Any], *headers: tuple[bytes, str]) -> "Reply":
        """Return a response with a JSON document."""
        return cls(status, json.dumps(document).encode(), headers)


@dataclass
class VerifyApi:
    """The application. `callers` checks who may see details."""

    verifier: Verifier
    callers: Callers
    meter: Meter = field(default_factory=Meter)
    usage: UsageRecord | None = None
    """The record of use, or None if it is turned off."""
    read_usage: Callable[[str, int], Awaitable[Mapping[str, object]]] | None = None
    """Reads the records of all processes, if this is one of several."""
    usage_callers: Callers | None = None
    """Checks who may read the record of use."""

    def __post_init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._log = AnswerLog()
        self._limit = RateLimitItemPerMinute(FAILURES_PER_MINUTE)
        self._dead_ids: set[str] = set()
        self._routes: Mapping[tuple[str, str], Callable[[Request], Awaitable[Reply]]] = {
            ("POST", "/v1/verify"): self._verify,
            ("GET", AUTHORIZE): self._authorize,
            ("POST", "/v1/tokenreview"): self._review,
            ("GET", USAGE): self._usage,
            ("GET", "/openapi.json"): self._openapi,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. This is the entry point of an ASGI application."""
        if scope["type"] != "http":
            return
        try:
            reply = await self._route(scope, receive)
        except BadRequestError as error:
            reply = Reply.json(error.status, {"error": str(error)})
        except StaleError as error:
            reply = Reply.json(_UNAVAILABLE, {"error": f"Try again: {error}"}, (b"retry-after", "5"))
        except asyncio.CancelledError:
            # This process is stopping, and the request took too long. Uvicorn would log a traceback.
            reply = Reply.json(_UNAVAILABLE, {"error": "Try again: this verifier is stopping"})
        except Exception:  # On any error, the token is not accepted, and the caller gets no traceback.
            log.exception("Unexpected error in a request")
            reply = Reply.json(_UNAVAILABLE, {"error": "Unexpected error. See the log of the verifier"})
        headers = [*_ALWAYS, (b"content-length", b"%d" % len(reply.body))]
        if reply.body:
            headers.append(_JSON)
        headers += [(name, value.encode("latin-1", "replace")) for name, value in reply.headers]
        # All waiting requests are decided first, and then their answers are sent one after the other. A send wakes the
        # client up, which takes longer than a decision, unless the client is still busy with the previous answer.
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _route(self, scope: Scope, receive: Receive) -> Reply:
        request = read_head(scope)
        # Envoy uses the method of the request that it checks.
        method = "GET" if request.path == AUTHORIZE else request.method
        handler = self._routes.get((method, request.path))
        if handler is None:
            known = any(path == request.path for _, path in self._routes)
            status = _NOT_ALLOWED if known else _NOT_FOUND
            raise BadRequestError("This path doesn't allow the method" if known else "Unknown path", status)
        if method == "POST":
            request.body = await read_body(receive)
        return await handler(request)

    async def _verify(self, request: Request) -> Reply:
        asked = parse_verify(request.body)
        answer = await self._decide(request, asked.token, asked.question)
        document: dict[str, Any] = {"valid": answer.decision.valid}
        if answer is not _UNTOLD and await self._may_learn(request, answer.namespace):
            document = details(answer)
        elif answer.proven and answer.decision.code is not Code.MALFORMED:
            document["code"] = answer.decision.code.value
        return Reply.json(200, document)

    async def _authorize(self, request: Request) -> Reply:
        question, token = request.question, request.presented
        if token is None:
            document = {"error": "No token. Send it in Authorization or in X-Api-Key"}
            return Reply.json(_UNAUTHORIZED, document, _BASIC, (b"www-authenticate", "Bearer"))
        answer = await self._decide(request, token, question)
        if answer.decision.valid:
            return Reply(200, headers=identity_headers(answer))
        if answer.decision.code is Code.FORBIDDEN:
            missing = answer.decision.missing
            return Reply.json(_FORBIDDEN, {"code": "Forbidden", "missing": missing}, (b"x-tenure-missing", missing))
        code = answer.decision.code.value if answer.proven else "Unauthorized"
        return Reply.json(_UNAUTHORIZED, {"code": code}, _BASIC, (b"www-authenticate", 'Bearer error="invalid_token"'))

    async def _may_learn(self, request: Request, namespace: str | None) -> bool:
        """Tell whether the caller may see the details of a key. The namespace is None if the key is unknown."""
        # The API server is asked even about an unknown key. Otherwise the time would tell whether an id ever existed.
        may = await self._is_allowed(self.callers, request, namespace or "", counted=namespace is not None)
        return may and namespace is not None

    async def _is_allowed(self, callers: Callers, request: Request, namespace: str, *, counted: bool = True) -> bool:
        """Ask the API server about a caller, unless the caller's address was refused too often in this minute."""
        bearer, place = request.bearer, (_STRANGERS, request.source)
        if bearer is None or not await self._limiter.test(self._limit, *place):
            return False
        may = await callers.may_learn(bearer, namespace)
        if not may and counted:
            await self._limiter.hit(self._limit, *place)
        return may

    async def _usage(self, request: Request) -> Reply:
        asked = parse_usage(request.query)
        if self.usage is None or self.usage_callers is None:
            return Reply.json(_NOT_FOUND, {"error": "This verifier records no use (--no-usage)"})
        if not await self._is_allowed(self.usage_callers, request, asked.namespace):
            where = f"in namespace {asked.namespace}" if asked.namespace else "in all namespaces"
            text = f"Send a Kubernetes token for the audience {AUDIENCE} that may get organizations.tenure.dev/usage"
            return Reply.json(_FORBIDDEN, {"error": f"{text} {where}"})
        if self.read_usage is not None:
            return Reply.json(200, await self.read_usage(asked.namespace, asked.since))
        return Reply.json(200, self.usage.read(asked.namespace, asked.since))

    async def _review(self, request: Request) -> Reply:
        try:
            review = json.loads(request.body)
            token = review["spec"]["token"]
            version = review["apiVersion"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadRequestError("The body isn't a TokenReview") from None
        if version != "authentication.k8s.io/v1" or not isinstance(token, str):
            raise BadRequestError("The body isn't a TokenReview of authentication.k8s.io/v1")
        return Reply.json(200, token_review(await self._decide(request, token, Question(only_identity=True))))

    async def _openapi(self, _: Request) -> Reply:
        return Reply.json(200, openapi())

    async def _decide(self, request: Request, token: str, question: Question) -> Answer:
        began = time.perf_counter()
        try:
            answer = await self.verifier.verify(token, question)
        except StaleError:
            self.meter.count(VERIFY_UNAVAILABLE)
            raise
        code, key_id = answer.decision.code, answer.key_id
        self.meter.observe(VERIFY_DURATION, time.perf_counter() - began)
        self.meter.count(VERIFY, code.value)
        if key_id and answer.is_dead:
            self.meter.count(DEAD_KEY_HITS, self._bounded(key_id))
        if code is Code.VALID and self.usage is not None and key_id and answer.namespace:
            self.usage.note(key_id, answer.namespace)
        self._log.add(Line(code.value, key_id, request.source))
        if code in _WORKS or await self._limiter.hit(self._limit, _FAILURES, request.source):
            return answer
        return _UNTOLD

    def _bounded(self, key_id: str) -> str:
        """Return the id itself as the metric's label, or `OTHER` once there are too many ids."""
        if len(self._dead_ids) < MOST_KEY_IDS:
            self._dead_ids.add(key_id)
        return key_id if key_id in self._dead_ids else OTHER
