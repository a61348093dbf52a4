"""Requests and answers as the proxy's hooks see them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, TypeAlias

from aiohttp import web

DROP: Final = "drop"
"""Hang up without an answer."""

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, body: Any, *, status: int = 200) -> Self:
        """Make an answer from a JSON value."""
        return cls(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    @classmethod
    def failure(cls, status: int, reason: str, message: str = "forged by the test", **details: Any) -> Self:
        """Make the answer with which the API server reports an error, as in `failure(410, "Expired")`."""
        return cls.json(_status(status, reason, message, details), status=status)

    @classmethod
    def watch_failure(cls, status: int, reason: str, message: str = "forged by the test") -> Self:
        """Make a watch whose only event is an error; a watch that is too old gets 410 this way."""
        return cls.json({"type": "ERROR", "object": _status(status, reason, message, {})})

    @property
    def parsed(self) -> Any:
        """The body as a JSON value."""
        return json.loads(self.body)


Answer: TypeAlias = Reply | Literal["drop"] | None


@dataclass(frozen=True)
class Request:
    """A request, read completely."""

    method: str
    path: str
    """Without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    url: str
    """Path and query exactly as they came."""

    @classmethod
    async def read(cls, incoming: web.Request) -> Self:
        """Read it from a connection."""
        return cls(
            method=incoming.method,
            path=incoming.path,
            query=dict(incoming.query),
            headers=dict(incoming.headers),
            body=await incoming.read(),
            url=incoming.raw_path,
        )

    @property
    def json(self) -> Any:
        """The body as a JSON value; None if there is none."""
        return json.loads(self.body) if self.body else None

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") in {"1", "true"}

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and bool(self.resource) and not self.name and not self.is_watch

    @property
    def is_write(self) -> bool:
        """Whether it could change an object; reviews such as SubjectAccessReview change none."""
        return self.method in _WRITES and not self.resource.endswith("reviews")

    @property
    def resource(self) -> str:
        """The resource with its subresource, as in `memberships/status`; empty for any other path."""
        resource, _, *sub = self._parts
        return "/".join([resource, *sub])

    @property
    def name(self) -> str:
        """The object's name; empty for a collection."""
        return self._parts[1]

    @property
    def namespace(self) -> str:
        """The object's namespace; empty if it has none."""
        match self._segments:
            case ["namespaces", _, "status" | "finalize"]:
                return ""
            case ["namespaces", namespace, _, *_]:
                return namespace
            case _:
                return ""

    @property
    def _segments(self) -> list[str]:
        match self.path.strip("/").split("/"):
            case ["api", _, *rest] | ["apis", _, _, *rest]:
                return rest
            case _:
                return []

    @property
    def _parts(self) -> list[str]:
        segments = self._segments[2:] if self.namespace else self._segments
        return segments if len(segments) > 1 else [*segments, *["", ""][len(segments) :]]


@dataclass
class Exchange:
    """A request and what came of it."""

    request: Request
    status: int | None = None
    """The answer's status; None while it is pending, and for good where the proxy hung up."""
    reply: Reply | None = None
    """The answer; None also for watches."""


def _status(code: int, reason: str, message: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": dict(details),
    }
