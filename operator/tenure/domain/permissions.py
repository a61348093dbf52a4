"""RBAC permissions of Kubernetes, and the requester who needs them."""

from dataclasses import dataclass

from pydantic import Field

from tenure.domain.resources import ApiKey, Resource
from tenure.domain.resources.base import GROUP, Model
from tenure.domain.roles import Role

REVOKE = "revoke"
"""The virtual verb on an ApiKey that allows its deletion, no matter which member's key it is."""


@dataclass(frozen=True)
class Permission:
    """A permission of Kubernetes RBAC: a verb on an object."""

    verb: str
    plural: str
    namespace: str
    name: str
    """Empty for all objects of the namespace."""

    subresource: str = ""

    def __str__(self) -> str:
        return f"{self.verb} on {self.place}"

    @property
    def target(self) -> str:
        """The object as kubectl takes it, or its kind."""
        return f"{self.plural}.{GROUP}" + (f"/{self.name}" if self.name else "")

    @property
    def place(self) -> str:
        """The object, or its kind, and the namespace."""
        return f"{self.target} in namespace {self.namespace}"

    @property
    def question(self) -> str:
        """The kubectl command that tells whether you have the permission."""
        return f"kubectl auth can-i {self.verb} {self.target} -n {self.namespace}"


def grant_verb(role: Role) -> str:
    """Return the virtual verb on an Organization that allows to give a role and to take it away."""
    return f"grant-{role.value.lower()}"


def grant(role: Role, namespace: str, organization: str) -> Permission:
    """Return the permission to give a role in an organization and to take it away."""
    return Permission(grant_verb(role), "organizations", namespace, organization)


def revocation(key: ApiKey) -> Permission:
    """Return the permission to delete a key, no matter which member's key it is."""
    return Permission(REVOKE, ApiKey.plural, key.namespace, key.name)


def deletion(resource: Resource) -> Permission:
    """Return the permission to delete an object, which the API server itself checks for a delete request."""
    return Permission("delete", resource.plural, resource.namespace, resource.name)


class Requester(Model):
    """The user or program that made a request, as the API server authenticated it."""

    username: str
    uid: str = ""
    groups: list[str] = Field(default_factory=list)
    extra: dict[str, list[str]] = Field(default_factory=dict)
