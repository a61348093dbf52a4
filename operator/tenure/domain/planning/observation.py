"""What the plan for an ApiKey rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.secret import SecretFacts


@dataclass(frozen=True)
class SecretReading:
    """The outcome of reading the key's Secret: its facts, or None where there is none."""

    facts: SecretFacts | None


@dataclass(frozen=True)
class ApiKeyObservation:
    """All that the plan for an ApiKey rests on."""

    api_key: ApiKey
    membership: Membership | None
    organization: Organization | None
    """The Organization in force in the namespace, if it is the one that the Membership names."""

    siblings: Sequence[ApiKey]
    """All keys of the member, this one among them."""

    now: datetime
    secret: SecretReading | None = None
    """The key's Secret, where it was read; None: not read this time."""

    displaced_by: str | None = None
    """Name of the older Membership of the same subject, where there is one: only the oldest has effect."""

    installation: Installation = DEFAULTS


@dataclass(frozen=True)
class Obstacle:
    """Why a key can't be issued."""

    reason: Reason
    message: str
