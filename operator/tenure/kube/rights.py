"""The rights that Tenure's programs need, and the question whether this process has one."""

from dataclasses import dataclass
from typing import Any

from tenure.domain.access.bindings import RBAC_GROUP
from tenure.domain.access.cluster_roles import cluster_role_name
from tenure.domain.permissions import REVOKE
from tenure.domain.resources import KINDS, Membership
from tenure.domain.resources.base import GROUP
from tenure.domain.roles import Access, Role
from tenure.kube.cluster import Cluster
from tenure.kube.names import AUTHORITIES_SECRET, ELECTION_LEASE, WEBHOOK_CONFIGURATION

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True)
class Right:
    """Verbs on a resource."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    subresource: str = ""
    name: str = ""
    """The one object that they are needed on; empty: on all."""

    def to_rule(self) -> dict[str, Any]:
        """The right as a rule of a Role or ClusterRole."""
        names = {"resourceNames": [self.name]} if self.name else {}
        return {"apiGroups": [self.group], "resources": [self.label], **names, "verbs": list(self.verbs)}

    @property
    def label(self) -> str:
        """The resource as RBAC names it, e.g. `apikeys/status`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


RIGHTS: tuple[Right, ...] = (
    Right(GROUP, "organizations", ("get", "list", "watch")),
    Right(GROUP, "organizations", ("patch",), "status"),
    Right(GROUP, "memberships", ("get", "list", "watch")),
    Right(GROUP, "memberships", ("patch",), "status"),
    # To delete keys whosever they are, also where admission asks whose they are.
    Right(GROUP, "apikeys", ("get", "list", "watch", "delete", REVOKE)),
    Right(GROUP, "apikeys", ("patch",), "status"),
    Right("", "secrets", ("get", "create", "delete")),
    Right("events.k8s.io", "events", ("create",)),
)
"""What the controller needs. Secrets are never listed or watched: whoever can list them holds a master key."""


ELECTION_RIGHTS: tuple[Right, ...] = (
    Right("coordination.k8s.io", "leases", ("create",)),
    Right("coordination.k8s.io", "leases", ("get", "update"), name=ELECTION_LEASE),
)
"""What electing one of several replicas needs in Tenure's own namespace."""


ROLE_BINDING_RIGHTS: tuple[Right, ...] = (
    Right(RBAC_GROUP, "rolebindings", ("get", "list", "create", "patch", "delete")),
)
"""What the controller needs besides to bind people to their roles. It starts without them, and says so in a
condition."""

CLUSTER_ROLE_RIGHTS: tuple[Right, ...] = tuple(
    Right(RBAC_GROUP, "clusterroles", ("get", "bind"), name=cluster_role_name(role, access))
    for role in Role
    for access in Access
)
"""What it needs for that in the cluster: to find exactly the roles' ClusterRoles, and to bind them."""

OWN_KEYS_RIGHTS: tuple[Right, ...] = (Right(RBAC_GROUP, "roles", ("get", "list", "create", "patch", "delete")),)
"""What the controller needs besides to let people read the Secrets of their own keys."""


ADMISSION_RIGHTS: tuple[Right, ...] = (
    Right(GROUP, "organizations", ("get", "list")),
    Right(GROUP, "memberships", ("get", "list")),
    Right(GROUP, "apikeys", ("list",)),
    Right("", "namespaces", ("get",)),
)
"""What judging requests reads in each namespace."""

CLUSTER_RIGHTS: tuple[Right, ...] = (Right("authorization.k8s.io", "subjectaccessreviews", ("create",)),)
"""What judging needs in the cluster: to ask what the requester may do."""

SYSTEM_RIGHTS: tuple[Right, ...] = (Right("coordination.k8s.io", "leases", ("get", "create", "update")),)
"""What judging needs in Tenure's own namespace: the leases of the last owners."""

AUTHORITY_RIGHTS: tuple[Right, ...] = (
    Right("", "secrets", ("create",)),
    Right("", "secrets", ("get", "update"), name=AUTHORITIES_SECRET),
)
"""What a certificate authority of our own needs in Tenure's own namespace."""

REGISTRATION_RIGHTS: tuple[Right, ...] = (
    Right("admissionregistration.k8s.io", "validatingwebhookconfigurations", ("get",), name=WEBHOOK_CONFIGURATION),
)
"""What finding the listener's own names needs in the cluster."""

TRUST_RIGHTS: tuple[Right, ...] = (
    Right("admissionregistration.k8s.io", "validatingwebhookconfigurations", ("patch",), name=WEBHOOK_CONFIGURATION),
)
"""What an authority of our own needs besides, for the API server to trust it."""


DEFINITION_RIGHTS: tuple[Right, ...] = tuple(
    Right("apiextensions.k8s.io", "customresourcedefinitions", ("get",), name=f"{resource.plural}.{GROUP}")
    for resource in KINDS
)
"""What finding older definitions at the start needs in the cluster."""


VERIFIER_RIGHTS: tuple[Right, ...] = tuple(
    Right(GROUP, resource.plural, ("get", "list", "watch") if resource is Membership else ("list", "watch"))
    for resource in KINDS
)
"""What verifying tokens reads, in all namespaces. No Secrets."""

CALLER_RIGHTS: tuple[Right, ...] = (
    Right("authentication.k8s.io", "tokenreviews", ("create",)),
    Right("authorization.k8s.io", "subjectaccessreviews", ("create",)),
)
"""What telling authorized callers from others needs in the cluster."""


async def is_allowed(cluster: Cluster, namespace: str, right: Right, verb: str) -> bool:
    """Whether this very process may do something; empty namespace: everywhere."""
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
