"""What the API server says was asked of it: the audit log as objects."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Entry:
    """One answered request."""

    verb: str
    user: str
    user_agent: str
    group: str
    resource: str
    """With the subresource, as in `memberships/status`; empty for a path that is no resource."""
    namespace: str
    name: str
    path: str
    code: int
    impersonator: str = ""
    """Who made the request in the user's name; empty if the user made it."""

    @property
    def is_write(self) -> bool:
        """Whether it could change an object; reviews such as SubjectAccessReview change none."""
        return self.verb in WRITES and not self.resource.endswith("reviews")


class Audit:
    """The requests answered since this object was made (or since `reset`)."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.reset()

    def reset(self) -> None:
        """Begin anew from now."""
        self._offset = self._log.stat().st_size

    def entries(self) -> list[Entry]:
        """Return all requests whose answer is complete; the watches still open are not among them."""
        return [entry for entry in self._read() if entry is not None]

    def writes(self, *, user_agent: str = "", user: str = "", resource: str = "") -> list[Entry]:
        """Return the writes of clients whose user agent and user contain the given text, to that resource."""
        return [
            entry
            for entry in self.entries()
            if entry.is_write
            and user_agent in entry.user_agent
            and user in entry.user
            and resource in {"", entry.resource}
        ]

    def _read(self) -> Iterator[Entry | None]:
        with self._log.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if line.endswith(b"\n"):
                    yield _parsed(line)


def _parsed(line: bytes) -> Entry | None:
    event = json.loads(line)
    if event["stage"] != "ResponseComplete":
        return None
    reference = event.get("objectRef", {})
    resource = "/".join(filter(None, [reference.get("resource"), reference.get("subresource")]))
    return Entry(
        verb=event["verb"],
        user=event.get("impersonatedUser", event["user"]).get("username", ""),
        user_agent=event.get("userAgent", ""),
        group=reference.get("apiGroup", ""),
        resource=resource,
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        path=event["requestURI"],
        code=event.get("responseStatus", {}).get("code", 0),
        impersonator=event["user"]["username"] if "impersonatedUser" in event else "",
    )
