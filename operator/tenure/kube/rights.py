"""The rights that Tenure's programs need. Each is written only here, and those of the console in `console_rights`.

The start check, the chart's roles, `manifests/install.yaml` and `docs/reference/rights.md` follow from `GROUPS`.
"""

from collections.abc import Iterator

from tenure.domain.access.bindings import RBAC_GROUP
from tenure.domain.access.cluster_roles import cluster_role_name
from tenure.domain.permissions import REVOKE
from tenure.domain.resources import KINDS
from tenure.domain.resources.base import GROUP
from tenure.domain.roles import Access, Role
from tenure.kube.console_rights import CONSOLE_GROUPS
from tenure.kube.names import (
    AUTHORITIES_SECRET,
    ELECTION_LEASE,
    MAIL_KEYS,
    MAIL_LEASE,
    MAIL_LEDGER,
    WEBHOOK_CONFIGURATION,
)
from tenure.kube.right import ACCESS, ACCESS_TO_KEYS, ELECTION, OWN_AUTHORITY, USAGE, Group, Place, Right
from tenure.observability.metrics import Component

_REGISTRATION = "admissionregistration.k8s.io"
_AUTHORIZATION = "authorization.k8s.io"
_COORDINATION = "coordination.k8s.io"


DEFINITIONS: tuple[Right, ...] = tuple(
    Right(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        ("get",),
        "Compares the installed definition with its own version at the start.",
        name=f"{resource.plural}.{GROUP}",
    )
    for resource in KINDS
)

_CONTROLLER: tuple[Group, ...] = (
    Group(
        Component.CONTROLLER,
        Place.SERVED,
        (
            Right(GROUP, "organizations", ("get", "list", "watch"), "Fills its cache, and reads before it revokes."),
            Right(GROUP, "organizations", ("patch",), "Writes conditions.", "status"),
            Right(GROUP, "memberships", ("get", "list", "watch"), "Fills its cache, and reads before it revokes."),
            Right(GROUP, "memberships", ("patch",), "Records role changes and their keys.", "status"),
            Right(
                GROUP,
                "apikeys",
                ("get", "list", "watch", "delete", REVOKE),
                f"Fills its cache, and deletes revoked keys. With `{REVOKE}`, the webhook lets it delete any key.",
            ),
            Right(GROUP, "apikeys", ("patch",), "Writes the stamp, the token's hash and conditions.", "status"),
            # Never list or watch: a program that can list Secrets holds a master key.
            Right(
                "",
                "secrets",
                ("get", "create", "patch", "delete"),
                "Delivers tokens, rotates them in place, and deletes revoked ones.",
            ),
            Right("events.k8s.io", "events", ("create",), "Records for people what it did and what they have to do."),
        ),
    ),
    Group(
        Component.CONTROLLER,
        Place.SYSTEM,
        (
            Right(_COORDINATION, "leases", ("create",), "Creates the Lease of the election."),
            Right(_COORDINATION, "leases", ("get", "update"), "Takes the Lease, and renews it.", name=ELECTION_LEASE),
        ),
        when=ELECTION,
    ),
    # Without it the controller starts, and no Organization says whether a mail process runs.
    Group(
        Component.CONTROLLER,
        Place.SYSTEM,
        (Right(_COORDINATION, "leases", ("get",), "Finds out whether the mail process runs.", name=MAIL_LEASE),),
        asked=False,
    ),
    # Without these the controller starts, and the condition RolesBound says what is missing.
    Group(
        Component.CONTROLLER,
        Place.SERVED,
        (
            Right(
                RBAC_GROUP,
                "rolebindings",
                ("get", "list", "create", "patch", "delete"),
                "Binds members to the ClusterRoles of their roles, and to the Roles for their keys.",
            ),
        ),
        when=ACCESS,
        asked=False,
    ),
    Group(
        Component.CONTROLLER,
        Place.CLUSTER,
        tuple(
            Right(
                RBAC_GROUP,
                "clusterroles",
                ("get", "bind"),
                "Checks that the role's ClusterRole exists, and binds it.",
                name=cluster_role_name(role, access),
            )
            for role in Role
            for access in Access
        ),
        when=ACCESS,
        asked=False,
    ),
    # Nobody asks the API server for it. The verifiers ask whether the controller has it.
    Group(
        Component.CONTROLLER,
        Place.SERVED,
        (Right(GROUP, "organizations", ("get",), "Asks the verifiers when keys were used.", "usage"),),
        when=USAGE,
        asked=False,
    ),
    Group(
        Component.CONTROLLER,
        Place.SERVED,
        (
            Right(
                RBAC_GROUP,
                "roles",
                ("get", "list", "create", "patch", "delete"),
                "Names in each member's Role the Secrets of their own keys.",
            ),
        ),
        when=ACCESS_TO_KEYS,
        asked=False,
    ),
    # Without it no key is handed over from one person to another member, and the condition Rotating says so.
    Group(
        Component.CONTROLLER,
        Place.SERVED,
        (
            Right(
                _AUTHORIZATION,
                "localsubjectaccessreviews",
                ("create",),
                "Asks whether the former holder of a key that is handed over may still read its Secret.",
            ),
        ),
        when=ACCESS_TO_KEYS,
        asked=False,
    ),
)

_WEBHOOK: tuple[Group, ...] = (
    Group(
        Component.WEBHOOK,
        Place.SERVED,
        (
            Right(GROUP, "organizations", ("get", "list"), "Finds the Organization in force and its rules."),
            Right(GROUP, "memberships", ("get", "list"), "Reads the member, and counts the Owners."),
            Right(GROUP, "apikeys", ("list",), "Finds the keys that a change revokes."),
            Right("", "namespaces", ("get",), "Lets the last Owner go with a namespace that is being deleted."),
        ),
    ),
    Group(
        Component.WEBHOOK,
        Place.CLUSTER,
        (
            Right(_AUTHORIZATION, "subjectaccessreviews", ("create",), "Asks what the requester may do."),
            Right(
                _REGISTRATION,
                "validatingwebhookconfigurations",
                ("get",),
                "Finds the host names and paths under which the API server calls it.",
                name=WEBHOOK_CONFIGURATION,
            ),
        ),
    ),
    Group(
        Component.WEBHOOK,
        Place.SYSTEM,
        (
            Right(
                _COORDINATION,
                "leases",
                ("get", "create", "update"),
                "Takes a Lease while an Owner leaves, so that two Owners can't leave at once.",
            ),
        ),
    ),
    Group(
        Component.WEBHOOK,
        Place.SYSTEM,
        (
            Right("", "secrets", ("create",), "Creates the Secret of its certificate authority."),
            Right(
                "",
                "secrets",
                ("get", "update", "delete"),
                "Renews the authority in it, and replaces a Secret of another type.",
                name=AUTHORITIES_SECRET,
            ),
        ),
        when=OWN_AUTHORITY,
    ),
    Group(
        Component.WEBHOOK,
        Place.CLUSTER,
        (
            Right(
                _REGISTRATION,
                "validatingwebhookconfigurations",
                ("patch",),
                "Has the API server trust its authority (`caBundle`).",
                name=WEBHOOK_CONFIGURATION,
            ),
        ),
        when=OWN_AUTHORITY,
    ),
)

_VERIFIER: tuple[Group, ...] = (
    Group(
        Component.VERIFIER,
        Place.CLUSTER,
        (
            Right("authentication.k8s.io", "tokenreviews", ("create",), "Authenticates callers who ask for details."),
            Right(_AUTHORIZATION, "subjectaccessreviews", ("create",), "Asks whether a caller may get details."),
        ),
    ),
    Group(
        Component.VERIFIER,
        Place.SERVED,
        (
            Right(GROUP, "organizations", ("list", "watch"), "Fills its index."),
            Right(
                GROUP,
                "memberships",
                ("get", "list", "watch"),
                "Fills its index. Reads a Membership if the watch is behind the stamp of a key.",
            ),
            Right(GROUP, "apikeys", ("list", "watch"), "Fills its index."),
        ),
    ),
)

_MAIL: tuple[Group, ...] = (
    Group(
        Component.MAIL,
        Place.CLUSTER,
        (
            Right("authentication.k8s.io", "tokenreviews", ("create",), "Authenticates callers of its API."),
            Right(_AUTHORIZATION, "subjectaccessreviews", ("create",), "Asks whether they may update a Membership."),
        ),
    ),
    Group(
        Component.MAIL,
        Place.SERVED,
        (
            Right(GROUP, "organizations", ("list", "watch"), "Finds the rules for letters, and whom they name."),
            Right(GROUP, "memberships", ("get", "list", "watch"), "Finds whom to write to."),
            Right(GROUP, "memberships", ("patch",), "Writes `status.invitation`, and nothing else.", "status"),
            Right(GROUP, "apikeys", ("list", "watch"), "Finds keys that expire or were revoked."),
            Right("events.k8s.io", "events", ("create",), "Says which letters were rejected."),
        ),
    ),
    Group(
        Component.MAIL,
        Place.SYSTEM,
        (
            Right(_COORDINATION, "leases", ("create",), "Creates the Lease of the election."),
            Right(_COORDINATION, "leases", ("get", "update"), "Takes the Lease, and renews it.", name=MAIL_LEASE),
            Right("", "configmaps", ("create",), "Creates its ledger of letters and its record of keys."),
            Right("", "configmaps", ("get", "update"), "Keeps the ledger for its limits.", name=MAIL_LEDGER),
            Right("", "configmaps", ("get", "update"), "Remembers keys, to miss those that vanish.", name=MAIL_KEYS),
        ),
    ),
)

GROUPS: tuple[Group, ...] = (
    # Not checked, because the start reads the definitions anyway. The console reads none.
    *(
        Group(program, Place.CLUSTER, DEFINITIONS, asked=False)
        for program in Component
        if program is not Component.CONSOLE
    ),
    *_CONTROLLER,
    *_WEBHOOK,
    *_VERIFIER,
    *_MAIL,
    *CONSOLE_GROUPS,
)
"""All rights of all programs."""


def groups_of(program: Component) -> Iterator[Group]:
    """The rights of one program."""
    return (group for group in GROUPS if group.program is program)
