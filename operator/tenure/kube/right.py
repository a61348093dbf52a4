"""The types of the table of rights, and the question to the API server whether this process has one."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from tenure.kube.cluster import Cluster
from tenure.observability.metrics import Component

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


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
        also: Something else that must hold too.
    """

    option: str = ""
    value: str = ""
    among: tuple[str | bool, ...] = ()
    also: "When | None" = None

    @property
    def parts(self) -> tuple["When", ...]:
        """All that must hold."""
        return (self, *(self.also.parts if self.also else ()))


ALWAYS = When()
ELECTION = When("with `--leader-election`")
ACCESS = When(
    "with `--kubernetes-access=Roles` or `RolesAndKeys`", value="kubernetesAccess", among=("Roles", "RolesAndKeys")
)
ACCESS_TO_KEYS = When("with `--kubernetes-access=RolesAndKeys`", value="kubernetesAccess", among=("RolesAndKeys",))
USAGE = When("with `--usage-url`", value="usage.enabled", among=(True,))
IMPERSONATION = When("with `--mode=Impersonation`", value="console.mode", among=("Impersonation",))
IMPERSONATED_CHANGES = When(
    "with `--mode=Impersonation` and without `--read-only`",
    value="console.readOnly",
    among=(False,),
    also=IMPERSONATION,
)
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
