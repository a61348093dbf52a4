"""Tells whether the verifiers' records of use are complete, so that "not used" and "not known" differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

RETENTION = timedelta(days=2)
"""How long a verifier remembers a use. After a longer silence its record has a gap."""


class Knowledge(Enum):
    """What the leader knows about the use of keys."""

    OFF = auto()
    """Nobody is asked, because the record of use is turned off."""

    STARTING = auto()
    """No round was complete yet, and there was hardly time for one."""

    KNOWN = auto()
    """Every verifier answered lately."""

    UNKNOWN = auto()
    """A verifier hasn't answered for longer than the patience."""


@dataclass(frozen=True)
class Reply:
    """A verifier's answer."""

    recorded_since: datetime
    """When its record began, which is its start."""

    cursor: str
    """What the next question sends, to get only newer uses."""

    uses: Mapping[str, datetime]
    """The latest use of each key, by the public id of its token."""


@dataclass(frozen=True)
class Replica:
    """A verifier that was asked."""

    answered_at: datetime
    """When it last answered. If it never did, when it was first asked."""

    recorded_since: datetime | None = None
    """The start of its record, or None if it never answered."""

    cursor: str = ""


@dataclass(frozen=True)
class Coverage:
    """Which verifiers were asked and which answered, as the leader remembers it."""

    began_at: datetime
    """When the leader began to ask."""

    patience: timedelta
    """How long a verifier may be silent before use counts as unknown."""

    replicas: Mapping[str, Replica] = field(default_factory=dict)
    """The verifiers of the latest round, by address."""

    complete_at: datetime | None = None
    """The latest round in which all verifiers answered."""

    lost_at: datetime | None = None
    """When the leader last found that a verifier lost uses that nobody had read."""

    def knowledge(self, now: datetime) -> Knowledge:
        """Return whether use is known at a moment."""
        if now - (self.complete_at or self.began_at) > self.patience:
            return Knowledge.UNKNOWN
        return Knowledge.STARTING if self.complete_at is None else Knowledge.KNOWN

    def after(self, replies: Mapping[str, Reply | None], now: datetime) -> "Coverage":
        """Return the coverage after a round. A reply of None is a verifier that didn't answer.

        A round in which no verifier was found says nothing: neither that they are gone, nor that they answered.
        """
        if not replies:
            return self
        replicas = {
            address: self.replicas.get(address, Replica(now))
            if reply is None
            else Replica(now, reply.recorded_since, reply.cursor)
            for address, reply in replies.items()
        }
        lost = any(
            self._has_lost(old, replies.get(address), now)
            for address, old in self.replicas.items()
            if address not in replies or replies[address] is not None
        )
        return replace(
            self,
            replicas=replicas,
            complete_at=now if all(replies.values()) else self.complete_at,
            lost_at=now if lost else self.lost_at,
        )

    def _has_lost(self, old: Replica, reply: Reply | None, now: datetime) -> bool:
        """Tell whether a verifier that is gone (None) or answers again lost uses, beyond those of the patience.

        One that never answered before is only slow to start, unless it is gone.
        """
        silence = now - old.answered_at
        if reply is None:
            return silence > self.patience
        if old.recorded_since not in (None, reply.recorded_since):
            return silence > self.patience
        return silence > RETENTION and now - reply.recorded_since > RETENTION
