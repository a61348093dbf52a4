"""The rights of the console behind a login, each of which counts only in the name of a person who has it too."""

from tenure.domain.resources import KINDS
from tenure.domain.resources.base import GROUP
from tenure.kube.right import IMPERSONATED_CHANGES, IMPERSONATION, Group, Place, Right
from tenure.observability.metrics import Component

AS_OTHERS = "impersonate-on:user-info:"
"""What a verb begins with that may be used only in the name of somebody who may do it."""


def _as_others(resource: str, why: str, *verbs: str, group: str = GROUP) -> Right:
    """Return the right to do something with objects, but only in the name of somebody who may do it."""
    return Right(group, resource, tuple(AS_OTHERS + verb for verb in verbs), why)


CONSOLE_GROUPS: tuple[Group, ...] = (
    Group(
        Component.CONSOLE,
        Place.CLUSTER,
        (
            Right(
                "authentication.k8s.io",
                "users",
                ("impersonate:user-info",),
                "Acts in the name of the person whose ID token it verified.",
            ),
        ),
        when=IMPERSONATION,
    ),
    Group(
        Component.CONSOLE,
        Place.SERVED,
        (
            *(_as_others(kind.plural, "Lists the objects that the person may list.", "list") for kind in KINDS),
            _as_others("events", "Shows the history of a member.", "list", group=""),
        ),
        when=IMPERSONATION,
    ),
    Group(
        Component.CONSOLE,
        Place.SERVED,
        (
            _as_others("organizations", "Suspends members in the person's name.", "patch"),
            _as_others("memberships", "Changes roles, invites and removes members.", "create", "patch", "delete"),
            _as_others("apikeys", "Rotates, hands over, suspends and revokes keys.", "patch", "delete"),
        ),
        when=IMPERSONATED_CHANGES,
    ),
)
"""They are needed for impersonation only. With pass-through there are none, and no token is mounted."""
