"""The evidence for a decision: the change, and what the webhook read for it. The decision itself reads nothing.

What has to be read depends on the change and on the earlier reads. So these classes say what is needed, for example
`asks_for_keys`. None means that it wasn't read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Generic, TypeVar

from tenure.domain.admission.acknowledgement import Flaw, find_flaw, spell
from tenure.domain.admission.affected_keys import Price, price, recorded_price, tells_price
from tenure.domain.admission.authority import raises_itself
from tenure.domain.admission.last_owner import remaining_owners, takes_owner
from tenure.domain.admission.request import Change
from tenure.domain.admission.role_rules import transition_refusal
from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.lease import Lease
from tenure.domain.permissions import Permission
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.roles import Role
from tenure.domain.usage.recording import is_known

R = TypeVar("R", bound=Resource)
T = TypeVar("T")


class NotReadError(Exception):
    """A rule needs something that wasn't read. This is a bug, so the change is rejected."""


def read(found: T | None, what: str) -> T:
    """Return what was read.

    Raises:
        NotReadError: it wasn't read.
    """
    if found is None:
        raise NotReadError(f"the decision needs {what}, which the webhook didn't read")
    return found


@dataclass(frozen=True, kw_only=True)
class Evidence(Generic[R]):
    """The evidence that the decision about every kind needs.

    Attributes:
        change: The change that the requester asks for.
        now: The moment before the first read.
        installation: The settings for all organizations.
        missing_deletion: The permission to delete the object, if the change needs it and the requester lacks it.
    """

    change: Change[R]
    now: datetime
    installation: Installation = DEFAULTS
    missing_deletion: Sequence[Permission]


@dataclass(frozen=True, kw_only=True)
class OrganizationEvidence(Evidence[Organization]):
    """The evidence for the decision about an Organization.

    Attributes:
        present: All Organizations of the namespace.
        owners: All Memberships of the namespace with the role Owner.
        not_members: Names that the change suspends and that aren't Memberships of the namespace.
        system_namespace: Tenure's own namespace, or empty if there is no cluster.
        mail_runs: Whether a mail process runs, or None if nothing asks for letters or there is no cluster.
    """

    present: Sequence[Organization] | None = None
    system_namespace: str = ""
    not_members: Sequence[str] | None = None
    owners: Sequence[Membership] | None = None
    mail_runs: bool | None = None


@dataclass(frozen=True, kw_only=True)
class MembershipEvidence(Evidence[Membership]):
    """The evidence for the decision about a Membership.

    Attributes:
        missing_grants: The grants that the change needs and the requester lacks.
        organization: The Organization that the Membership names, as it is when the change is stored.
        issuer: The same Organization as it is now, while the member's keys work. It differs only in a pull request.
        when_keys_exist: What a cluster's status says about role changes that revoke keys. None if it follows from the
            organization and the installation.
        namesakes: The namespace's Memberships with the same subject, in whatever case.
        keys: The member's ApiKeys.
        changed_keys: Keys that the same pull request changes, as they will be, and None for one that it removes.
        service_account_keys: Number of working keys of the namespace's service accounts.
        lease: The lease of the organization's Owners, read before the Owners, or None if there is none.
        owners: The namespace's Memberships with the role Owner.
        namespace_terminating: Whether the namespace is being deleted.
    """

    missing_grants: Sequence[Permission]
    organization: Organization | None
    issuer: Organization | None
    when_keys_exist: WhenKeysExist | None = None
    namesakes: Sequence[Membership] | None = None
    keys: Sequence[ApiKey] | None = None
    changed_keys: Mapping[str, ApiKey | None] = field(default_factory=dict)
    service_account_keys: int | None = None
    lease: Lease | None = None
    owners: Sequence[Membership] | None = None
    namespace_terminating: bool | None = None

    @property
    def new_role(self) -> Role | None:
        """The role after the change, or None if the member is removed.

        A new ownerReference alone counts as a removal. Together with a change of the spec it doesn't, because the owner
        may continue to exist, and with it the member.
        """
        change = self.change
        if change.new is None or (change.given_to_collector and not change.changes_spec):
            return None
        return change.new.spec.role

    @property
    def is_entitled(self) -> bool:
        """Whether the requester may make the change. If not, the answer says nothing about keys and Owners."""
        is_denied = self.missing_grants or self.missing_deletion or raises_itself(self.change, self.installation)
        return not is_denied

    @property
    def takes_role(self) -> bool:
        """Whether a member loses a role, so that the keys and the last Owner must be checked."""
        old, organization = self.change.old, self.organization or self.issuer
        return self.is_entitled and organization is not None and old is not None and self.new_role is not old.spec.role

    @property
    def takes_owner(self) -> bool:
        """Whether an Owner is removed or loses the role."""
        return self.takes_role and takes_owner(self.change)

    @property
    def policy(self) -> WhenKeysExist:
        """The policy on role changes that revoke keys."""
        organization = self.organization or self.issuer
        if self.when_keys_exist is not None or organization is None:
            return self.when_keys_exist or WhenKeysExist.WARN
        return self.installation.policy(organization).when_keys_exist

    @property
    def asks_for_keys(self) -> bool:
        """Whether the keys must be read: if the decision depends on them, or if the member's status isn't enough.

        For a warning the status is enough, and listing the keys takes twenty times as long. A new member has no status.
        If the use of keys is known, they are read for it too, because the member's status doesn't have it.
        """
        old, new_role = self.change.old, self.new_role
        if old is None:
            return self.is_entitled
        if not self.takes_role or old is None or self.issuer is None:
            return False
        decides = new_role is not None and self.policy is not WhenKeysExist.WARN
        if decides or not tells_price(old, new_role) or self.issuer.suspends(old.name):
            return True
        return bool(old.status.key_count) and is_known(self.issuer, self.now)

    @property
    def asks_for_owners(self) -> bool:
        """Whether the organization's Owners must be read, and the lease under which only one of them can leave."""
        return self.takes_owner and self.organization is not None and not self.organization.metadata.deleting

    @property
    def asks_for_first_owner(self) -> bool:
        """Whether the Owners must be read because the organization denies this one, who may be its first."""
        organization, old, new = self.organization, self.change.old, self.change.new
        if organization is None or new is None or new.spec.role is not Role.OWNER or not self.is_entitled:
            return False
        return transition_refusal(organization, old, new) is not None

    @property
    def is_first_owner(self) -> bool:
        """Whether the change gives an organization without an Owner its first one."""
        if not self.asks_for_first_owner:
            return False
        subject = self.change.subject
        return not any(
            one.spec.role is Role.OWNER
            and one.spec.organization == subject.spec.organization
            and one.name != subject.name
            for one in read(self.owners, "the Owners")
        )

    @cached_property
    def remaining_owners(self) -> Sequence[Membership]:
        """The Owners who are left. If there are none, the namespace must be read too."""
        leaving, organization = self.change.old, self.organization
        if leaving is None or organization is None:
            return ()
        return remaining_owners(read(self.owners, "the Owners"), leaving, organization)

    @cached_property
    def price(self) -> Price:
        """What becomes of the member's keys."""
        old = self.change.old
        if old is None:
            return Price()
        if self.keys is None and not self.asks_for_keys:
            return recorded_price(old, self.new_role)
        return price(
            old,
            self.new_role,
            read(self.keys, "the member's keys"),
            self.issuer,
            self.now,
            changed=self.changed_keys,
            installation=self.installation,
        )

    @cached_property
    def flaw(self) -> Flaw | None:
        """Why the change doesn't acknowledge the keys that it revokes.

        None if it does, if it revokes no keys but those that `forRole` approved before, or if it removes the member.
        """
        if self.new_role is None or not (names := self.price.unapproved(self.new_role)):
            return None
        return find_flaw(*self.change.acknowledgements, self.new_role, names, len(self.price.dying))

    @property
    def acknowledgement(self) -> str:
        """The annotation's value that acknowledges these keys, or empty if the member is removed."""
        if self.new_role is None:
            return ""
        names = self.price.unapproved(self.new_role)
        return spell(self.new_role, names, self.change.acknowledgements[0], len(self.price.dying))
