"""An Organization's rules about role changes."""

from enum import StrEnum

from pydantic import Field

from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources.base import Model


class FromRole(StrEnum):
    """The role that a denied transition starts from."""

    ANY = "*"
    NONE = "None"
    OWNER = "Owner"
    MEMBER = "Member"
    ANALYST = "Analyst"
    VIEWER = "Viewer"


class ToRole(StrEnum):
    """The role that a denied transition leads to."""

    ANY = "*"
    OWNER = "Owner"
    MEMBER = "Member"
    ANALYST = "Analyst"
    VIEWER = "Viewer"


class DeniedTransition(Model):
    """A role change that the organization doesn't allow."""

    from_role: FromRole = Field(alias="from")
    """The present role. None means a new member, and "*" any role."""

    to_role: ToRole = Field(alias="to")
    """The new role. "*" means any role."""


class RoleChanges(Model):
    """Which role changes are allowed, and under which conditions."""

    when_keys_exist: WhenKeysExist | None = None
    """What happens to a role change that revokes working keys. Warn allows it, with a warning that names the keys.
    RequireAcknowledgement rejects it until the same write acknowledges the keys with the annotation
    tenure.dev/acknowledge-key-deletion. Deny rejects it. If omitted, the installation's default applies. It takes
    effect only if the webhooks are installed."""

    deny: list[DeniedTransition] | None = Field(default=None, max_length=20)
    """Role changes that aren't allowed. If omitted, all are. It takes effect only if the webhooks are installed."""
