"""The observation that the plan for an ApiKey is made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.secret import SecretFacts
from tenure.domain.validity import Verdict, validity


@dataclass(frozen=True)
class SecretReading:
    """The result of reading the key's Secret: its facts, or None if there is no Secret."""

    facts: SecretFacts | None


@dataclass(frozen=True)
class Announced:
    """The token that this process announced, and keeps in memory until it delivers it."""

    hash: str
    deliver_at: datetime
    """When the verifiers have had the time to learn its hash."""


class Siblings(tuple[ApiKey, ...]):  # noqa: SLOT001 - what is counted is kept with it
    """All keys of a member. What the limit of keys needs is counted once, however many of them are planned together.

    So use one object only for observations of the same Membership, Organization and time.
    """

    @cached_property
    def with_token(self) -> set[str]:
        """Names of the keys that have a token."""
        return {key.name for key in self if key.status.secret_uid is not None and not key.metadata.deleting}

    def waiting(self, wants: Callable[[ApiKey], bool]) -> Sequence[tuple[datetime, str]]:
        """Return the ages of the keys without a token that `wants` says would be issued, the oldest first."""
        if "_waiting" not in self.__dict__:
            without = (key for key in self if key.status.secret_uid is None and not key.metadata.deleting)
            self._waiting = sorted(age(key) for key in without if wants(key))
        return self._waiting


def age(key: ApiKey) -> tuple[datetime, str]:
    """Return what the keys of a member are sorted by if there isn't room for all."""
    return key.metadata.creation_timestamp, key.name


class Tenure(NamedTuple):
    """What a token is judged by, apart from its ApiKey."""

    membership: Membership | None
    organization: Organization | None
    """The Organization in force in the namespace, if it is the one that the Membership names."""


@dataclass(frozen=True)
class ApiKeyObservation:
    """The input of the plan for an ApiKey."""

    api_key: ApiKey
    membership: Membership | None
    """The Membership that the spec names. A new token is issued under it."""

    organization: Organization | None
    """The Organization in force in the namespace, if it is the one that the Membership names."""

    siblings: Sequence[ApiKey]
    """All keys of the member, including this one."""

    now: datetime
    secret: SecretReading | None = None
    """The result of reading the key's Secret, or None if it wasn't read this time."""

    announced: Announced | None = None
    """The token that this process announced, or None. After a crash or a change of leader there is none."""

    displaced_by: str | None = None
    """Name of the older Membership of the same subject, or None. Only the oldest one has effect."""

    installation: Installation = DEFAULTS

    others: Mapping[str, Tenure] = field(default_factory=dict)
    """By name, the other Memberships that the key's tokens were issued under, before the key was handed over."""

    def tenure_of(self, view: ApiKey) -> Tenure:
        """Return what one of the key's tokens is judged by. `view` is the key, or the view of its other token."""
        if view.holder == self.api_key.spec.membership:
            return Tenure(self.membership, self.organization)
        return self.others.get(view.holder, Tenure(None, None))

    def verdict(self, view: ApiKey | None = None) -> Verdict:
        """Decide whether the key's present token works, or the one that a view shows."""
        view = view or self.api_key
        return validity(view, *self.tenure_of(view), self.now)


@dataclass(frozen=True)
class Obstacle:
    """The reason why a key can't be issued, and its message."""

    reason: Reason
    message: str
