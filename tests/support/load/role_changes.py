"""Role changes as a load: some that only somebody unjudged could make, and some that may pass."""

from dataclasses import dataclass

from support.cluster import people
from support.load.load import Call
from tenure.domain.resources.base import API_VERSION

FORBIDDEN_ROLE = "Analyst"
"""The one that only the outsider gives."""


@dataclass(frozen=True)
class RoleChanges:
    """Changes of so many members of acme in turn, whose names begin alike."""

    prefix: str
    members: int

    def forbidden(self, number: int) -> Call:
        """A change by somebody who may write Memberships and give no role."""
        return self._change(number, FORBIDDEN_ROLE, people.OUTSIDER)

    def permitted(self, number: int) -> Call:
        """A change by somebody who may give both roles."""
        return self._change(number, "Viewer" if number // self.members % 2 else "Member", people.LIMITED_GITOPS)

    def _change(self, number: int, role: str, person: people.Person) -> Call:
        path = f"/apis/{API_VERSION}/namespaces/acme/memberships/{self.prefix}-{number % self.members}"
        return Call(path, {"spec": {"role": role}}, {"Impersonate-User": person.user})
