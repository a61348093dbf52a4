"""The verifier's HTTP API as an ASGI application: small, strict, and silent about tokens that don't exist."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from prometheus_client import CollectorRegistry, Counter, generate_latest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenure.domain.roles import Capability, Level
from tenure.domain.verification import Code, Question
from tenure.handlers.openapi import openapi
from tenure.handlers.verify_answers import details, identity_headers, token_review
from tenure.verify.callers import Callers
from tenure.verify.verifier import Answer, StaleError, Verifier

log = logging.getLogger("tenure.verify")

MAX_BODY_BYTES = 64 * 1024
FAILURES_PER_MINUTE = 600
"""From one address; whoever guesses is slowed down, and nobody else."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LEVELS = {level.label: level for level in (Level.VIEW, Level.FULL)}
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 400, 401, 403, 404
_NOT_ALLOWED, _TOO_LARGE, _TOO_MANY, _UNAVAILABLE = 405, 413, 429, 503


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class VerifyBody(_Body):
    """What `/v1/verify` is asked."""

    token: str = Field(max_length=1024)
    organization: str | None = Field(default=None, max_length=63)
    capability: str | None = None
    level: str = "View"


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = ()
    content_type: str = "application/json"

    @classmethod
    def json(cls, status: int, document: Mapping[str, Any], *headers: tuple[str, str]) -> "Reply":
        """A JSON answer."""
        return cls(status, json.dumps(document).encode(), headers)


class BadRequestError(Exception):
    """The request can't be understood; the text says why, and never repeats it."""

    def __init__(self, message: str, status: int = _BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Request:
    """A request, as far as it matters."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, Sequence[str]]
    source: str
    body: bytes = b""


@dataclass
class VerifyApi:
    """The application; `callers` tells who may learn details."""

    verifier: Verifier
    callers: Callers
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(FAILURES_PER_MINUTE)
        self._answers = Counter("tenure_verify_total", "Answers by code.", ["code"], registry=self.registry)
        self._dead_hits = Counter(
            "tenure_dead_key_hits_total", "Uses of tokens that died, by public id.", ["key_id"], registry=self.registry
        )
        self._routes: Mapping[tuple[str, str], Callable[[Request], Awaitable[Reply]]] = {
            ("POST", "/v1/verify"): self._verify,
            ("GET", "/v1/authorize"): self._authorize,
            ("POST", "/v1/tokenreview"): self._review,
            ("GET", "/livez"): self._live,
            ("GET", "/readyz"): self._ready,
            ("GET", "/metrics"): self._metrics,
            ("GET", "/openapi.json"): self._openapi,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI wants it."""
        if scope["type"] != "http":
            return
        try:
            reply = await self._route(scope, receive)
        except BadRequestError as error:
            reply = Reply.json(error.status, {"error": str(error)})
        except StaleError as error:
            reply = Reply.json(_UNAVAILABLE, {"error": f"not now: {error}"}, ("retry-after", "5"))
        except Exception:
            log.exception("unexpected error")
            reply = Reply.json(_UNAVAILABLE, {"error": "unexpected error; the log says more"})
        headers = [(b"content-type", reply.content_type.encode()), (b"cache-control", b"no-store")]
        headers += [(name.encode(), value.encode("latin-1", "replace")) for name, value in reply.headers]
        headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _route(self, scope: Scope, receive: Receive) -> Reply:
        request = _request(scope)
        handler = self._routes.get((request.method, request.path))
        if handler is None:
            known = any(path == request.path for _, path in self._routes)
            raise BadRequestError("no such path", _NOT_ALLOWED if known else _NOT_FOUND)
        if any("tnr_" in value for values in request.query.values() for value in values):
            raise BadRequestError("a token never belongs into a URL; use a header")
        if request.method == "POST":
            request.body = await _body(receive)
        return await handler(request)

    async def _verify(self, request: Request) -> Reply:
        asked = _parsed(VerifyBody, request.body)
        question = _question(asked.organization, asked.capability, asked.level)
        answer = await self._decide(request, asked.token, question)
        document: dict[str, Any] = {"valid": answer.decision.valid}
        if await self.callers.may_learn(_bearer(request), answer):
            document = details(answer)
        elif answer.proven and answer.decision.code is not Code.MALFORMED:
            document["code"] = answer.decision.code.value
        return Reply.json(200, document)

    async def _authorize(self, request: Request) -> Reply:
        query = {name: values[-1] for name, values in request.query.items()}
        if unknown := sorted(query.keys() - {"organization", "capability", "level"}):
            raise BadRequestError(f"unknown parameter {unknown[0][:40]}; known are organization, capability, level")
        question = _question(query.get("organization"), query.get("capability"), query.get("level", "View"))
        token = _presented(request)
        if token is None:
            return Reply.json(_UNAUTHORIZED, {"error": "no token"}, ("www-authenticate", "Bearer"))
        answer = await self._decide(request, token, question)
        if answer.decision.valid:
            return Reply(200, headers=identity_headers(answer))
        if answer.decision.code is Code.FORBIDDEN:
            missing = f"{question.capability}={question.level.label}" if question.capability else "organization"
            return Reply.json(_FORBIDDEN, {"code": "Forbidden", "missing": missing}, ("x-tenure-missing", missing))
        code = answer.decision.code.value if answer.proven else "Unauthorized"
        return Reply.json(_UNAUTHORIZED, {"code": code}, ("www-authenticate", 'Bearer error="invalid_token"'))

    async def _review(self, request: Request) -> Reply:
        try:
            review = json.loads(request.body)
            token = review["spec"]["token"]
            version = review["apiVersion"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadRequestError("it is no TokenReview") from None
        if version != "authentication.k8s.io/v1" or not isinstance(token, str):
            raise BadRequestError("it is no TokenReview of authentication.k8s.io/v1")
        return Reply.json(200, token_review(await self._decide(request, token, Question())))

    async def _live(self, _: Request) -> Reply:
        return Reply(200, b"ok\n", content_type="text/plain")

    async def _ready(self, _: Request) -> Reply:
        reason = self.verifier.why_not_ready()
        return Reply(_UNAVAILABLE if reason else 200, f"{reason or 'ok'}\n".encode(), content_type="text/plain")

    async def _metrics(self, _: Request) -> Reply:
        text = generate_latest(self.registry).decode()
        return Reply(200, text.encode(), content_type="text/plain; version=0.0.4")

    async def _openapi(self, _: Request) -> Reply:
        return Reply.json(200, openapi())

    async def _decide(self, request: Request, token: str, question: Question) -> Answer:
        if not await self._limiter.test(self._limit, request.source):
            raise BadRequestError("too many failures from this address; try again in a minute", _TOO_MANY)
        answer = await self.verifier.verify(token, question)
        code, key_id = answer.decision.code, answer.key_id
        self._answers.labels(code.value).inc()
        if code not in {Code.VALID, Code.FORBIDDEN}:
            await self._limiter.hit(self._limit, request.source)
        if key_id and answer.is_dead:
            self._dead_hits.labels(key_id).inc()
        log.info("%s", code.value, extra={"key_id": key_id, "source": request.source, "code": code.value})
        return answer


def _request(scope: Scope) -> Request:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=20),
        headers=headers,
        source=client[0] if client else "unknown",
    )


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequestError("the request ended early")
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            raise BadRequestError(f"at most {MAX_BODY_BYTES} bytes", _TOO_LARGE)
        if not message.get("more_body"):
            return body


def _parsed(model: type[VerifyBody], body: bytes) -> VerifyBody:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field_path = ".".join(str(part)[:40] for part in first["loc"]) or "body"
        raise BadRequestError(f"{field_path}: {first['msg'][:200]}") from None


def _question(organization: str | None, capability: str | None, level: str) -> Question:
    if capability is not None and capability not in set(Capability):
        raise BadRequestError(f"capability: write {', '.join(Capability)}")
    if level not in _LEVELS:
        raise BadRequestError(f"level: write {' or '.join(_LEVELS)}")
    return Question(organization, Capability(capability) if capability else None, _LEVELS[level])


def _bearer(request: Request) -> str | None:
    """The bearer token of the caller; more than one is none."""
    values = request.headers.get("authorization", ())
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def _presented(request: Request) -> str | None:
    """The key that is presented: in one header, once."""
    keys = request.headers.get("x-api-key", ())
    if keys and request.headers.get("authorization"):
        raise BadRequestError("present one token: in Authorization or in X-Api-Key")
    if len(keys) > 1:
        raise BadRequestError("present one token")
    return keys[0] if keys else _bearer(request)
