"""The evidence for the decision about an ApiKey."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tenure.domain.admission.authority import (
    api_key_grants,
    approved_roles,
    hands_over,
    is_own,
    lifts_suspension,
)
from tenure.domain.admission.evidence import Evidence, read
from tenure.domain.permissions import Permission
from tenure.domain.resources import ApiKey, Membership, Organization


@dataclass(frozen=True, kw_only=True)
class ApiKeyEvidence(Evidence[ApiKey]):
    """The evidence for the decision about an ApiKey.

    Attributes:
        membership: The Membership that the key names, or None if there is none. In a hand-over, the next holder.
        former: In a hand-over, the Membership that the key named before, or None if there is none.
        others: By name, the other Memberships that the key's tokens were issued under, from earlier hand-overs.
        organization: The Membership's Organization, or the namespace's if there is no Membership.
        may_revoke: Whether the requester has the virtual verb `revoke` on the key.
        missing_grants: Those of the `grants` that the requester lacks.
        siblings: All ApiKeys that name the same Membership.
    """

    membership: Membership | None
    former: Membership | None = None
    others: Mapping[str, Membership | None] = field(default_factory=dict)
    organization: Organization | None
    may_revoke: bool | None = None
    missing_grants: Sequence[Permission] | None = None
    siblings: Sequence[ApiKey] | None = None

    @property
    def is_handover(self) -> bool:
        """Whether the key passes to another member."""
        return hands_over(self.change)

    @property
    def holders(self) -> Mapping[str, Membership | None]:
        """The members whose key it is, before the change and after it, by the name that the key gives."""
        after = {self.change.subject.spec.membership: self.membership}
        old = self.change.old
        return {old.spec.membership: self.former, **after} if self.is_handover and old is not None else after

    def holder_of(self, view: ApiKey) -> Membership | None:
        """Return the member whom one of the key's tokens was issued to. `view` is the key, or a view of it."""
        return {**self.others, **self.holders}.get(view.holder)

    @property
    def revived(self) -> Sequence[Membership]:
        """The other members whose tokens work again if the change lifts a suspension."""
        return [one for one in self.others.values() if one is not None] if lifts_suspension(self.change) else []

    @property
    def is_own(self) -> bool:
        """Whether the key is the requester's own, in a hand-over both before and after."""
        return all(map(self._is_requester, self.holders.values()))

    @property
    def is_given(self) -> bool:
        """Whether the member gets this key by the change: it is created or handed over."""
        return self.change.old is None or self.is_handover

    @property
    def gets_own(self) -> bool:
        """Whether the change gives the key to the requester."""
        return self.is_given and self._is_requester(self.membership)

    @property
    def asks_for_revocation(self) -> bool:
        """Whether the right to revoke is enough, because the key is deleted and not changed otherwise."""
        return not self.is_own and self.change.only_removes

    @property
    def asks_for_grants(self) -> bool:
        """Whether the requester needs grants. Its holder does only to lift a suspension."""
        if self.is_own:
            return lifts_suspension(self.change)
        return not (self.asks_for_revocation and read(self.may_revoke, "the right to revoke"))

    @property
    def grants(self) -> list[Permission]:
        """The grants that the change needs: of each holder's role, and for another's key of the roles in `forRole`.

        The requester needs no grant of their own role, unless the change lifts a suspension. That also needs the grants
        of the roles of all other members whose tokens it revives.
        """
        namespace, lifts = self.change.namespace, lifts_suspension(self.change)
        approved = () if self.is_own else approved_roles(self.change)
        in_force = self.organization.name if self.organization else ""
        holders = [one for one in self.holders.values() if lifts or not self._is_requester(one)]
        needed = (
            api_key_grants(namespace, one, one.spec.organization if one else in_force, approved=approved)
            for one in (*holders, *self.revived)
        )
        return list(dict.fromkeys(permission for permissions in needed for permission in permissions))

    @property
    def is_entitled(self) -> bool:
        """Whether the requester may make the change. If not, the answer says nothing about the organization's rules."""
        if self.missing_deletion:
            return False
        return not (self.asks_for_grants and read(self.missing_grants, "the grants"))

    @property
    def asks_for_siblings(self) -> bool:
        """Whether the member's other keys must be read, because a further key counts toward the limit.

        If the limit is only the installation's default, those who may grant the role may exceed it, for example by a
        restore. The keys beyond the limit then wait.
        """
        if not self.is_given or self.membership is None or self.organization is None:
            return False
        return self.is_entitled and (self.gets_own or self.installation.limits_keys(self.organization))

    def _is_requester(self, membership: Membership | None) -> bool:
        return is_own(self.change.requester, membership, self.installation)
