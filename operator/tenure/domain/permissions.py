"""Permissions as Kubernetes RBAC knows them, and who asks for them."""

from dataclasses import dataclass

from pydantic import Field

from tenure.domain.resources import ApiKey, Resource
from tenure.domain.resources.base import GROUP, Model
from tenure.domain.roles import Role

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


class Requester(Model):
    """Whoever made the request, as the API server authenticated them."""

    username: str
    uid: str = ""
    groups: list[str] = Field(default_factory=list)
    extra: dict[str, list[str]] = Field(default_factory=dict)
