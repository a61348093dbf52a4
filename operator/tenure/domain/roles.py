"""The four roles, and the only table of what each of them may do."""

from collections.abc import Collection, Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """The role of a member within an organization."""

    OWNER = "Owner"
    MEMBER = "Member"
    ANALYST = "Analyst"
    VIEWER = "Viewer"


class Capability(StrEnum):
    """A capability is a part of the product that a role gives access to."""

    CLUSTERS = "clusters"
    BILLING = "billing"
    COSTS = "costs"
    ORGANIZATION = "organization"
    MEMBERS = "members"


class Level(IntEnum):
    """The level of access to a capability. Levels are ordered."""

    NONE = 0
    VIEW = 1
    FULL = 2

    @property
    def label(self) -> str:
        """The level as the API writes it: `None`, `View` or `Full`."""
        return self.name.capitalize()


class Access(StrEnum):
    """The most that a key may do, independent of its member's role."""

    FULL = "Full"
    VIEW = "View"


DESCRIPTIONS: Mapping[Capability, str] = MappingProxyType(
    {
        Capability.CLUSTERS: "cluster management",
        Capability.BILLING: "billing access",
        Capability.COSTS: "cost monitoring",
        Capability.ORGANIZATION: "organization management",
        Capability.MEMBERS: "invite and remove members",
    }
)

CAPABILITIES: Mapping[Role, Mapping[Capability, Level]] = MappingProxyType(
    {
        Role.OWNER: MappingProxyType(
            {
                Capability.CLUSTERS: Level.FULL,
                Capability.BILLING: Level.FULL,
                Capability.COSTS: Level.FULL,
                Capability.ORGANIZATION: Level.FULL,
                Capability.MEMBERS: Level.FULL,
            }
        ),
        Role.MEMBER: MappingProxyType(
            {
                Capability.CLUSTERS: Level.FULL,
                Capability.BILLING: Level.VIEW,
                Capability.COSTS: Level.FULL,
                Capability.ORGANIZATION: Level.NONE,
                Capability.MEMBERS: Level.NONE,
            }
        ),
        Role.ANALYST: MappingProxyType(
            {
                Capability.CLUSTERS: Level.VIEW,
                Capability.BILLING: Level.VIEW,
                Capability.COSTS: Level.FULL,
                Capability.ORGANIZATION: Level.NONE,
                Capability.MEMBERS: Level.NONE,
            }
        ),
        Role.VIEWER: MappingProxyType(
            {
                Capability.CLUSTERS: Level.VIEW,
                Capability.BILLING: Level.VIEW,
                Capability.COSTS: Level.VIEW,
                Capability.ORGANIZATION: Level.NONE,
                Capability.MEMBERS: Level.NONE,
            }
        ),
    }
)


def capabilities(
    role: Role, access: Access = Access.FULL, only: Collection[Capability] | None = None
) -> dict[Capability, Level]:
    """Return the level of each capability for a key of `access` under `role`.

    `View` caps every level at View. `only` are the capabilities that the key is limited to, or None if it has no limit.
    """
    return {capability: level_of(role, access, capability, only) for capability in CAPABILITIES[role]}


def level_of(role: Role, access: Access, capability: Capability, only: Collection[Capability] | None = None) -> Level:
    """Return the level of one capability for a key of `access` under `role` that is limited to `only`."""
    if only is not None and capability not in only:
        return Level.NONE
    level = CAPABILITIES[role][capability]
    return min(level, Level.VIEW) if access is Access.VIEW else level
