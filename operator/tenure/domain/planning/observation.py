"""The observation that the plan for an ApiKey is made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
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

    So use one object only for observations of the same Membership, Organization and time. A key that was handed over
    has a token of its former member at first, and counts among the keys of both.
    """

    def with_token(self, member: str) -> set[str]:
        """Return the names of the keys whose present token is the member's."""
        if "_with_token" not in self.__dict__:
            self._with_token = {key.name for key in self if has_token_of(key, member)}
        return self._with_token

    def waiting(self, member: str, wants: Callable[[ApiKey], bool]) -> Sequence[tuple[datetime, str]]:
        """Return the ages of the member's keys without a token that `wants` says would be issued, the oldest first."""
        if "_waiting" not in self.__dict__:
            own = (key for key in self if key.spec.membership == member and not key.metadata.deleting)
            self._waiting = sorted(age(key) for key in own if not has_token_of(key, member) and wants(key))
        return self._waiting


def has_token_of(key: ApiKey, member: str) -> bool:
    """Return whether the key's present token was issued under a Membership, and its Secret exists."""
    return key.status.secret_uid is not None and key.holder == member and not key.metadata.deleting


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

    @property
    def target(self) -> Tenure:
        """What a token of the member that the spec names is judged by."""
        return Tenure(self.membership, self.organization)

    @property
    def recipient(self) -> Tenure:
        """What a token is judged by that replaces the present one: of the spec's member. A repair hands no key over."""
        is_repair = self.api_key.is_handed_over and self.verdict() is Verdict.VALID
        return self.tenure_of(self.api_key) if is_repair else self.target

    def tenure_of(self, view: ApiKey) -> Tenure:
        """Return what one of the key's tokens is judged by. `view` is the key, or the view of its other token."""
        return self.tenure_named(view.holder)

    def tenure_named(self, membership: str) -> Tenure:
        """Return what the tokens are judged by that were issued under this Membership."""
        if membership == self.api_key.spec.membership:
            return self.target
        known = self.others.get(membership)
        # Without the Membership it is unknown which Organization it named. A namespace has only one in force.
        return known if known is not None and known.membership is not None else Tenure(None, self.organization)

    def verdict(self, view: ApiKey | None = None) -> Verdict:
        """Decide whether the key's present token works, or the one that a view shows."""
        view = view or self.api_key
        return validity(view, *self.tenure_of(view), self.now)


@dataclass(frozen=True)
class Obstacle:
    """The reason why a key can't be issued, and its message."""

    reason: Reason
    message: str
