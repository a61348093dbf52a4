"""What an operator asked of the API server, from the audit log."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Call:
    """One answered request, or a watch that was opened."""

    verb: str
    resource: str
    """With the subresource, such as `apikeys/status`; a path where it is no resource."""
    at: float
    """When it was answered, in seconds since the epoch."""

    @property
    def is_write(self) -> bool:
        """Whether it could change an object; a review such as SubjectAccessReview changes none."""
        return self.verb in WRITES and not self.resource.endswith("reviews")


class AuditLog:
    """The requests of one user, from the moment at which this object was made."""

    def __init__(self, log: Path, user: str) -> None:
        self._log = log
        self._user = user.encode()
        self._offset = log.stat().st_size
        self.calls: list[Call] = []
        """All so far, in the order in which they were answered; `read` adds to it."""

    def read(self) -> None:
        """Take in what was logged since the last time."""
        with self._log.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                if self._user in line and (call := _parsed(line)) is not None:
                    self.calls.append(call)

    def watches(self, plural: str) -> bool:
        """Whether the user has opened a watch of a kind."""
        return any(call.verb == "watch" and call.resource == plural for call in self.calls)

    def last_at(self) -> float:
        """When the latest request was answered, watches aside; 0 where there was none."""
        return next((call.at for call in reversed(self.calls) if call.verb != "watch"), 0.0)


def counted(calls: Iterable[Call]) -> Counter[tuple[str, str]]:
    """Count requests by verb and resource."""
    return Counter((call.verb, call.resource) for call in calls)


def _parsed(line: bytes) -> Call | None:
    event = json.loads(line)
    opened = event["verb"] == "watch"
    if event["stage"] != ("ResponseStarted" if opened else "ResponseComplete"):
        return None
    reference = event.get("objectRef") or {}
    resource = "/".join(filter(None, [reference.get("resource"), reference.get("subresource")]))
    at = datetime.fromisoformat(event["stageTimestamp"]).timestamp()
    return Call(event["verb"], resource or event["requestURI"].partition("?")[0], at)
