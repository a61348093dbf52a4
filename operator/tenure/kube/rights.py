"""The rights that Tenure's programs need. Each is written only here.

The start check, the chart's roles, `manifests/install.yaml` and `docs/reference/rights.md` follow from `GROUPS`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tenure.domain.access.bindings import RBAC_GROUP
from tenure.domain.access.cluster_roles import cluster_role_name
from tenure.domain.permissions import REVOKE
from tenure.domain.resources import KINDS
from tenure.domain.resources.base import GROUP
from tenure.domain.roles import Access, Role
from tenure.kube.cluster import Cluster
from tenure.kube.names import AUTHORITIES_SECRET, ELECTION_LEASE, WEBHOOK_CONFIGURATION
from tenure.observability.metrics import Component

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_REGISTRATION = "admissionregistration.k8s.io"
_AUTHORIZATION = "authorization.k8s.io"
_COORDINATION = "coordination.k8s.io"


@dataclass(frozen=True)
class Right:
    """A right: verbs on a resource, or on one object."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str = ""
    """What the program does with it, for the reference: a sentence without a subject, e.g. `Fills its index.`"""

    subresource: str = ""
    name: str = ""
    """The name of the only object that they are needed on. Empty means all objects."""

    def to_rule(self) -> dict[str, Any]:
        """The right as a rule of a Role or ClusterRole."""
        names = {"resourceNames": [self.name]} if self.name else {}
        return {"apiGroups": [self.group], "resources": [self.label], **names, "verbs": list(self.verbs)}

    @property
    def label(self) -> str:
        """The resource as RBAC names it, e.g. `apikeys/status`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Place(Enum):
    """Where a right is needed."""

    CLUSTER = "cluster"
    SERVED = "served"
    """In each namespace that the program serves. If it serves all of them, in the cluster."""

    SYSTEM = "system"
    """In Tenure's own namespace."""


@dataclass(frozen=True)
class When:
    """What decides whether a right is needed.

    Attributes:
        option: The option of the program, for people. Empty if the right is always needed.
        value: The chart's value that sets this option. Empty if the chart always sets it.
        among: The settings of this value for which the right is needed.
    """

    option: str = ""
    value: str = ""
    among: tuple[str | bool, ...] = ()


ALWAYS = When()
ELECTION = When("with `--leader-election`")
ACCESS = When(
    "with `--kubernetes-access=Roles` or `RolesAndKeys`", value="kubernetesAccess", among=("Roles", "RolesAndKeys")
)
ACCESS_TO_KEYS = When("with `--kubernetes-access=RolesAndKeys`", value="kubernetesAccess", among=("RolesAndKeys",))
USAGE = When("with `--usage-url`", value="usage.enabled", among=(True,))
OWN_AUTHORITY = When("without `--tls-cert-file`", value="certificates.mode", among=("own",))


@dataclass(frozen=True)
class Group:
    """Rights that a program needs in the same place, under the same condition."""

    program: Component
    place: Place
    rights: tuple[Right, ...]
    when: When = ALWAYS
    asked: bool = True
    """Whether the program checks at its start that it has them, and refuses to start without them."""


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

GROUPS: tuple[Group, ...] = (
    # Not checked, because the start reads the definitions anyway.
    *(Group(program, Place.CLUSTER, DEFINITIONS, asked=False) for program in Component),
    *_CONTROLLER,
    *_WEBHOOK,
    *_VERIFIER,
)
"""All rights of all programs."""


def groups_of(program: Component) -> Iterator[Group]:
    """The rights of one program."""
    return (group for group in GROUPS if group.program is program)


async def is_allowed(cluster: Cluster, namespace: str, right: Right, verb: str) -> bool:
    """Whether this process has a right in a namespace. An empty namespace means the whole cluster."""
    attributes = {
        "namespace": namespace,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "name": right.name,
        "verb": verb,
    }
    review = await cluster.review(
        _REVIEWS,
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        },
    )
    return bool(review["status"]["allowed"])
