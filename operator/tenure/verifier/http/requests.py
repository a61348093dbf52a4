"""Parse the requests to the verifier strictly.

A malformed request is rejected, and the text of the error never repeats any of it, because it may contain a token.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tenure.domain.roles import Capability, Level
from tenure.domain.verification import Question
from tenure.listening import plain_address
from tenure.verifier.http.credentials import bearer_of, key_of
from tenure.verifier.http.errors import HEAD_TOO_LARGE, TIMED_OUT, TOO_LARGE, BadRequestError

MAX_BODY_BYTES = 64 * 1024
MAX_HEAD_BYTES = 32 * 1024
"""Maximum size of headers, path and query together."""
BODY_SECONDS = 10.0
"""Time limit for a body to arrive."""

AUTHORIZE = "/v1/authorize"
PATH_FORM = AUTHORIZE + "/<namespace>/<capability>/<level>/"
"""The question in the path, for a proxy that appends the path of the request that it checks."""

USAGE = "/v1/usage"
"""The path of the record of use."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_CAPABILITIES = {capability.value: capability for capability in Capability}
_LEVELS = {level.label: level for level in (Level.VIEW, Level.FULL)}
_PATH_PREFIX = f"{AUTHORIZE}/".encode()
_SEGMENTS = 3
_PARAMETERS = ("namespace", "organization", "capability", "level")
_MOST_PARAMETERS = 20
_LONGEST_CURSOR = 18
_HEADERS = {b"authorization": "authorization", b"x-api-key": "x-api-key"}
_KNOWN, _KNOWN_BYTES = 256, 256
"""Maximum number of cached queries, and maximum length of each."""


class VerifyBody(BaseModel):
    """The body of a request to `/v1/verify`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    token: str = Field(max_length=1024)
    namespace: str | None = Field(default=None, max_length=63)
    organization: str | None = Field(default=None, max_length=63)
    capability: str | None = None
    level: str = "View"

    @property
    def question(self) -> Question:
        """The namespace, organization and right that the token is checked for.

        Raises:
            BadRequestError: the capability or the level is unknown.
        """
        return _question(self.namespace, self.organization, self.capability, self.level)


@dataclass(frozen=True)
class UsageQuery:
    """The part of the record of use that is asked for."""

    namespace: str = ""
    """Empty for all namespaces."""

    since: int = 0
    """The cursor of an earlier answer."""


@dataclass
class Request:
    """The parts of an HTTP request that the verifier uses."""

    method: str
    path: str
    query: bytes
    headers: Mapping[str, Sequence[str]]
    source: str
    body: bytes = b""
    segments: bytes | None = None
    """The path after `/v1/authorize/` as it was sent, or None if the question is in the query."""

    @property
    def bearer(self) -> str | None:
        """The bearer token, or None if there is none or more than one `Authorization` header."""
        return bearer_of(self.headers.get("authorization", ()))

    @property
    def presented(self) -> str | None:
        """The key from `X-Api-Key` or `Authorization`, or None.

        Raises:
            BadRequestError: there is more than one key.
        """
        return key_of(self.headers.get("x-api-key", ()), self.headers.get("authorization", ()))

    @property
    def question(self) -> Question:
        """The namespace, organization and right that `/v1/authorize` is asked for.

        Raises:
            BadRequestError: the query or the path is malformed.
        """
        return parse_question(self.query) if self.segments is None else parse_segments(self.segments)


def read_head(scope: Scope) -> Request:
    """Parse the request without its body.

    Raises:
        BadRequestError: the head is too large, or the query contains a token or too many parameters.
    """
    headers: dict[str, list[str]] = {}
    raw: bytes = scope["raw_path"]
    size = len(scope["query_string"]) + len(raw)
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name in _HEADERS:  # The server writes names in lower case.
            headers.setdefault(_HEADERS[name], []).append(value.decode("latin-1"))
    if size > MAX_HEAD_BYTES:
        raise BadRequestError(f"Headers, path and query must be at most {MAX_HEAD_BYTES} bytes", HEAD_TOO_LARGE)
    client = scope.get("client")
    source = plain_address(client[0]) if client else "unknown"
    if raw.startswith(_PATH_PREFIX):  # Path and query are the client's from the fourth segment on.
        return Request(scope["method"], AUTHORIZE, b"", headers, source, segments=raw[len(_PATH_PREFIX) :])
    if query := scope["query_string"]:
        _parse_query(query)
    return Request(scope["method"], scope["path"], query, headers, source)


def parse_question(query: bytes) -> Question:
    """Parse the namespace, organization and right that a query asks for.

    Raises:
        BadRequestError: a parameter is unknown, appears twice, or has an invalid value.
    """
    return _known_question(query) if len(query) <= _KNOWN_BYTES else _read_question(query)


def parse_segments(segments: bytes) -> Question:
    """Parse `<namespace>/<capability>/<level>`, and ignore everything behind it.

    The text isn't decoded and not normalized, so nothing behind the third slash changes the question.

    Raises:
        BadRequestError: a segment is missing or empty, or the capability or the level is unknown.
    """
    asked = [segment.decode("latin-1") for segment in segments.split(b"/", _SEGMENTS)[:_SEGMENTS]]
    if len(asked) < _SEGMENTS or not all(asked):
        raise BadRequestError(f"The path must be {PATH_FORM}")
    namespace, capability, level = asked
    return _question(namespace, None, capability, level)


def parse_usage(query: bytes) -> UsageQuery:
    """Parse the namespace and the cursor that the record of use is asked for.

    Raises:
        BadRequestError: a parameter is unknown, appears twice, or the cursor isn't one.
    """
    given = _single_values(query, ("namespace", "since"))
    since = given.get("since", "0")
    if not (since.isascii() and since.isdigit() and len(since) <= _LONGEST_CURSOR):
        raise BadRequestError("since: must be the cursor of an earlier answer")
    return UsageQuery(given.get("namespace", ""), int(since))


async def read_body(receive: Receive) -> bytes:
    """Read the request's body.

    Raises:
        BadRequestError: the body is too large, takes too long, or is incomplete.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _body(receive)
    except TimeoutError:
        raise BadRequestError(f"The body must arrive within {BODY_SECONDS:.0f} seconds", TIMED_OUT) from None


def parse_verify(body: bytes) -> VerifyBody:
    """Parse the body of a request to `/v1/verify`.

    Raises:
        BadRequestError: the body is not JSON, or doesn't fit the schema.
    """
    try:
        return VerifyBody.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        field = path if path in VerifyBody.model_fields else "body"
        raise BadRequestError(f"{field}: {first['msg'][:200]}") from None


def _read_question(text: bytes) -> Question:
    given = _single_values(text, _PARAMETERS)
    return _question(given.get("namespace"), given.get("organization"), given.get("capability"), given.get("level"))


def _single_values(text: bytes, allowed: Sequence[str]) -> Mapping[str, str]:
    """Return the parameters of a query, each of which may appear once."""
    query = _parse_query(text)
    if query.keys() - set(allowed):
        raise BadRequestError(f"Unknown parameter. Allowed: {', '.join(allowed)}")
    if any(len(values) > 1 for values in query.values()):
        raise BadRequestError("Each parameter is allowed once")
    return {name: values[0] for name, values in query.items()}


# A proxy sends the same queries again and again. A rejected one raises, so it isn't cached: it may contain a token.
_known_question = functools.lru_cache(_KNOWN)(_read_question)


def _parse_query(text: bytes) -> Mapping[str, Sequence[str]]:
    return _known_query(text) if len(text) <= _KNOWN_BYTES else _read_query(text)


def _read_query(text: bytes) -> Mapping[str, Sequence[str]]:
    try:
        query = parse_qs(text.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise BadRequestError(f"At most {_MOST_PARAMETERS} parameters are allowed") from None
    if any("tnr_" in part for name, values in query.items() for part in (name, *values)):
        raise BadRequestError("Don't put a token into a URL. Use a header")
    return query


_known_query = functools.lru_cache(_KNOWN)(_read_query)


async def _body(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequestError("The request ended before its body was complete")
        parts.append(bytes(message.get("body", b"")))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise BadRequestError(f"The body must be at most {MAX_BODY_BYTES} bytes", TOO_LARGE)
        if not message.get("more_body"):
            return b"".join(parts)


def _question(namespace: str | None, organization: str | None, capability: str | None, level: str | None) -> Question:
    asked = None if capability is None else _CAPABILITIES.get(capability)
    if capability is not None and asked is None:
        raise BadRequestError(f"capability: must be one of {', '.join(Capability)}")
    level = level if level is not None else Level.VIEW.label
    if level not in _LEVELS:
        raise BadRequestError(f"level: must be {' or '.join(_LEVELS)}")
    return Question(organization, asked, _LEVELS[level], namespace)
