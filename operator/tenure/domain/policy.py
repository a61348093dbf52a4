"""Values and limits of an organization's rules.

The command line uses them too, so this module imports no models and loads fast.
"""

from enum import StrEnum

MAX_KEYS_PER_MEMBER = 1000

DEFAULT_KEYS_PER_MEMBER = 100

DEFAULT_OVERLAP = "1h"
"""How long the former token of a rotated key stays valid, unless the key or its organization says otherwise."""

MAX_OVERLAP = "168h"
"""Maximum time for which a former token stays valid, unless the organization says otherwise."""

MAX_IDLE_KEYS = 100
"""How many ApiKeys holders may have beyond their limit that don't work: expired, revoked, or waiting."""


class OnRoleChange(StrEnum):
    """What becomes of the ApiKeys of a person whose role changes. Their tokens are always revoked."""

    AUTO = "Auto"
    DELETE = "Delete"
    REVOKE = "Revoke"


class WhenKeysExist(StrEnum):
    """What admission does with a role change that revokes working keys."""

    WARN = "Warn"
    REQUIRE_ACKNOWLEDGEMENT = "RequireAcknowledgement"
    DENY = "Deny"
