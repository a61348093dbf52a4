"""The observation that the plan for an ApiKey is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.secret import SecretFacts


@dataclass(frozen=True)
class SecretReading:
    """The result of reading the key's Secret: its facts, or None if there is no Secret."""

    facts: SecretFacts | None


@dataclass(frozen=True)
class ApiKeyObservation:
    """The input of the plan for an ApiKey."""

    api_key: ApiKey
    membership: Membership | None
    organization: Organization | None
    """The Organization in force in the namespace, if it is the one that the Membership names."""

    siblings: Sequence[ApiKey]
    """All keys of the member, including this one."""

    now: datetime
    secret: SecretReading | None = None
    """The result of reading the key's Secret, or None if it wasn't read this time."""

    displaced_by: str | None = None
    """Name of the older Membership of the same subject, or None. Only the oldest one has effect."""

    installation: Installation = DEFAULTS


@dataclass(frozen=True)
class Obstacle:
    """The reason why a key can't be issued, and its message."""

    reason: Reason
    message: str
