"""Settings for all organizations of an installation: defaults, and limits that no organization can loosen."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Self, TypeVar

from tenure.domain.durations import parse_duration
from tenure.domain.policy import (
    DEFAULT_KEYS_PER_MEMBER,
    DEFAULT_OVERLAP,
    MAX_KEYS_PER_MEMBER,
    MAX_OVERLAP,
    OnRoleChange,
    WhenKeysExist,
)

if TYPE_CHECKING:  # The command line parses limits and mustn't import the models for that.
    from tenure.domain.resources import Organization
    from tenure.domain.resources.organization import PolicyInForce

T = TypeVar("T")

_STRICTNESS = (WhenKeysExist.WARN, WhenKeysExist.REQUIRE_ACKNOWLEDGEMENT, WhenKeysExist.DENY)


class KubernetesAccess(StrEnum):
    """Rights that members get in Kubernetes."""

    NONE = "None"
    """No rights."""

    ROLES = "Roles"
    """People, and keys through a token review, have the ClusterRole of their role in their organization's namespace."""

    ROLES_AND_KEYS = "RolesAndKeys"
    """In addition, people may read the Secrets of their own keys."""


@dataclass(frozen=True)
class Limits:
    """Limits for every organization. Tenure enforces a limit or the organization's own rule, whichever is stricter."""

    when_keys_exist: WhenKeysExist = WhenKeysExist.WARN
    max_per_member: int | None = None
    require_expiry: bool = False
    max_ttl: str | None = None
    max_overlap: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `maxTTL=8760h,maxPerMember=50,requireExpiry=true,whenKeysExist=Deny,maxOverlap=24h`, or a part of it.

        Raises:
            ValueError: a name or a value isn't allowed. The text names it and what is allowed.
        """
        known = {
            "maxTTL": ("max_ttl", _duration),
            "maxOverlap": ("max_overlap", _overlap),
            "maxPerMember": ("max_per_member", _count),
            "requireExpiry": ("require_expiry", _truth),
            "whenKeysExist": ("when_keys_exist", _when_keys_exist),
        }
        values: dict[str, object] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name not in known:
                raise ValueError(f"{name!r} isn't a limit. Use {', '.join(known)}, for example maxTTL=8760h")
            attribute, read = known[name]
            try:
                values[attribute] = read(value)
            except ValueError as error:
                raise ValueError(f"{name}: {value!r} isn't allowed: {error}") from error
        return cls(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Installation:
    """Settings that were chosen when Tenure was installed.

    Attributes:
        username_prefix: Prefix that the identity provider puts before a person's name in Kubernetes, e.g. `oidc:`.
        when_keys_exist: Default for organizations that don't set `whenKeysExist`.
        max_per_member: Default for organizations that don't set `maxPerMember`.
        limits: Limits for every organization.
        kubernetes_access: Rights that members get in Kubernetes.
    """

    username_prefix: str = ""
    when_keys_exist: WhenKeysExist = WhenKeysExist.WARN
    limits: Limits = field(default_factory=Limits)
    kubernetes_access: KubernetesAccess = KubernetesAccess.NONE
    max_per_member: int = DEFAULT_KEYS_PER_MEMBER

    def username(self, person: str) -> str:
        """Return a person's user name in Kubernetes."""
        return self.username_prefix + person

    def limits_keys(self, organization: "Organization") -> bool:
        """Return whether an organization's own rule or a limit sets the number of keys, and not only the default."""
        keys = organization.spec.keys
        return self.limits.max_per_member is not None or (keys is not None and keys.max_per_member is not None)

    def policy(self, organization: "Organization") -> "PolicyInForce":
        """Return the rules in force in an organization: its own or the defaults, or the limits if they are stricter."""
        from tenure.domain.resources.organization import KeyRules, PolicyInForce  # noqa: PLC0415 - as above
        from tenure.domain.resources.role_changes import RoleChanges  # noqa: PLC0415

        keys = organization.spec.keys or KeyRules()
        changes = organization.spec.role_changes or RoleChanges()
        own = changes.when_keys_exist or self.when_keys_exist
        return PolicyInForce(
            when_keys_exist=max(own, self.limits.when_keys_exist, key=_STRICTNESS.index),
            on_role_change=keys.on_role_change or OnRoleChange.AUTO,
            max_per_member=min(_given(keys.max_per_member or self.max_per_member, self.limits.max_per_member)),
            require_expiry=bool(keys.require_expiry) or self.limits.require_expiry,
            max_ttl=min(_given(keys.max_ttl, self.limits.max_ttl), key=parse_duration, default=None),
            default_overlap=keys.default_overlap or DEFAULT_OVERLAP,
            max_overlap=min(_given(keys.max_overlap or MAX_OVERLAP, self.limits.max_overlap), key=parse_duration),
            rotate_within=keys.rotate_within,
        )


DEFAULTS = Installation()
"""An installation without any settings of its own."""


def _given(*values: T | None) -> list[T]:
    return [value for value in values if value is not None]


def _duration(text: str) -> str:
    if not parse_duration(text):
        raise ValueError("it must be longer than zero")
    return text


def _overlap(text: str) -> str:
    parse_duration(text)
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_KEYS_PER_MEMBER:
        raise ValueError(f"it must be a number from 1 to {MAX_KEYS_PER_MEMBER}")
    return int(text)


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("it must be true or false")
    return text == "true"


def _when_keys_exist(text: str) -> WhenKeysExist:
    if text not in set(WhenKeysExist):
        raise ValueError(f"it must be one of {', '.join(WhenKeysExist)}")
    return WhenKeysExist(text)
