"""Who may do what: the grants that a change needs, to be asked of the API server."""

from collections.abc import Sequence
from dataclasses import dataclass

from tenure.domain.admission.request import Change, Requester
from tenure.domain.installation import Installation
from tenure.domain.resources import ApiKey, Membership, Resource
from tenure.domain.resources.base import GROUP
from tenure.domain.roles import CAPABILITIES, Role

REVOKE = "revoke"
"""The virtual verb on an ApiKey that lets its holder delete it, whosever it is."""


@dataclass(frozen=True)
class Permission:
    """A verb on an object, as Kubernetes RBAC knows it."""

    verb: str
    plural: str
    namespace: str
    name: str
    """Empty: on all objects of the namespace."""

    subresource: str = ""

    def __str__(self) -> str:
        where = f"{self.plural}.{GROUP}" + (f"/{self.name}" if self.name else "")
        return f"{self.verb} on {where} in namespace {self.namespace}"

    @property
    def question(self) -> str:
        """The command that asks whether somebody has it."""
        target = f"{self.plural}.{GROUP}" + (f"/{self.name}" if self.name else "")
        return f"kubectl auth can-i {self.verb} {target} -n {self.namespace}"


def grant(role: Role, namespace: str, organization: str) -> Permission:
    """The permission to give a role in an organization, and to take it away."""
    return Permission(f"grant-{role.value.lower()}", "organizations", namespace, organization)


def revocation(key: ApiKey) -> Permission:
    """The permission to delete a key, whosever it is."""
    return Permission(REVOKE, ApiKey.plural, key.namespace, key.name)


def deletion(resource: Resource) -> Permission:
    """The permission to delete an object, which the API server itself asks for."""
    return Permission("delete", resource.plural, resource.namespace, resource.name)


def membership_grants(change: Change[Membership]) -> list[Permission]:
    """What a change of a Membership needs: the grants of the role before and of the role after."""
    roles = dict.fromkeys(member.spec.role for member in (change.old, change.new) if member is not None)
    organization = change.subject.spec.organization
    return [grant(role, change.namespace, organization) for role in roles]


def api_key_grants(namespace: str, membership: Membership | None, organization: str) -> list[Permission]:
    """What a change of somebody else's key needs: the grant of their role, or all of them for an unknown member."""
    roles = list(Role) if membership is None else [membership.spec.role]
    return [grant(role, namespace, organization) for role in roles]


def is_own(requester: Requester, membership: Membership | None, installation: Installation) -> bool:
    """Whether a Membership is the requester's."""
    if membership is None or not membership.is_person:
        return False
    return requester.username == installation.username(membership.spec.subject.name)


def raises_itself(change: Change[Membership], installation: Installation) -> bool:
    """Whether somebody gives themselves more than they have."""
    if change.new is None or not is_own(change.requester, change.new, installation):
        return False
    return change.old is None or _exceeds(change.new.spec.role, change.old.spec.role)


def explain_missing(requester: Requester, missing: Sequence[Permission], field: str) -> str:
    """Say which permissions somebody lacks, and what to do."""
    lacking = ", ".join(permission.verb for permission in missing)
    place = str(missing[0]).partition(" on ")[2]
    return (
        f"{field}: {requester.username} lacks {lacking} on {place}; have an Owner do it, or an administrator grant it "
        f"(see {missing[0].question})"
    )


def _exceeds(one: Role, other: Role) -> bool:
    return any(CAPABILITIES[one][capability] > level for capability, level in CAPABILITIES[other].items())
