"""The impact of changes of Organizations, by the decision of the webhook."""

from collections.abc import Iterator
from dataclasses import dataclass

from tenure.domain.admission.decide import decide
from tenure.domain.admission.decision import Decision
from tenure.domain.admission.evidence import OrganizationEvidence
from tenure.domain.admission.organization_rules import newly_suspended
from tenure.domain.admission.request import Change
from tenure.domain.impact.keys import differing_fields, name_of
from tenure.domain.impact.members import member_evidence
from tenure.domain.impact.step import Step, address_of
from tenure.domain.impact.tokens import LostToken
from tenure.domain.impact.tree import Address
from tenure.domain.operations import Operation
from tenure.domain.resources import Membership, Organization
from tenure.domain.roles import Role


@dataclass(frozen=True)
class OrganizationRemoval:
    """The impact of the removal of an Organization whose members, or some of them, stay in the tree."""

    organization: Address
    file: str
    revoked: tuple[str, ...]
    """Keys of the members that stay in the tree."""

    stranded: tuple[str, ...]
    """Memberships that would have no Organization."""

    refusals: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether nothing has to be undone. The removal of an Organization itself doesn't acknowledge revoked keys."""
        return not self.revoked and not self.refusals


@dataclass(frozen=True)
class OrganizationChange:
    """The impact of a new or changed Organization."""

    organization: Address
    change: str
    """`added` or `changed`."""

    fields: tuple[str, ...]
    """The fields of the spec that differ."""

    file: str
    tokens: tuple[LostToken, ...] = ()
    """Tokens that stop working because of it, and not because their member or their ApiKey changes."""

    remarks: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the cluster allows the change."""
        return not self.refusals


def find_removals(step: Step) -> Iterator[OrganizationRemoval]:
    """Yield the impact of the removal of each Organization."""
    for address in sorted(step.base.organizations.keys() - step.head.organizations.keys()):
        change = step.change(Organization, address)
        stay = [
            member
            for member in step.base.members_in(address.namespace)
            if member.spec.organization == address.name and address_of(member) in step.head.memberships
        ]
        yield OrganizationRemoval(
            organization=address,
            file=step.base.file_of(Organization, address),
            revoked=tuple(sorted(key for member in stay for key in _revoked(step, member))),
            stranded=tuple(sorted(member.name for member in stay)),
            refusals=tuple(one.text for one in _decide(step, change).refusals),
        )


def find_organization_changes(step: Step, tokens: list[LostToken]) -> Iterator[OrganizationChange]:
    """Yield the impact of each new or changed Organization. `tokens` are those that no other change revokes."""
    for address, change in step.changed(Organization):
        if change.new is None:
            continue
        decision = _decide(step, change)
        refusals = (*step.schema_refusals(change), *(one.text for one in decision.refusals))
        if change.matters or refusals:
            yield OrganizationChange(
                organization=address,
                change=name_of(change),
                fields=tuple(differing_fields(change)),
                file=step.file_of(Organization, address),
                tokens=tuple(token for token in tokens if token.key.namespace == address.namespace),
                remarks=decision.judgement.warnings,
                refusals=refusals,
            )


def _decide(step: Step, change: Change[Organization]) -> Decision:
    namespace, name = change.namespace, change.subject.name
    before = [one for address, one in step.base.organizations.items() if address.namespace == namespace]
    added = [
        one
        for address, one in step.head.organizations.items()
        if address.namespace == namespace and address not in step.base.organizations and address.name < name
    ]
    members = step.head.members_in(namespace)
    return decide(
        OrganizationEvidence(
            change=change,
            now=step.now,
            installation=step.installation,
            missing_deletion=(),
            present=[*before, *added],
            owners=[one for one in members if one.spec.role is Role.OWNER],
            not_members=[one for one in newly_suspended(change) if one not in {member.name for member in members}],
        )
    )


def _revoked(step: Step, member: Membership) -> Iterator[str]:
    """Yield the names of the keys that the removal of a member would revoke."""
    known = step.change(Membership, address_of(member))
    removal = Change(
        operation=Operation.DELETE,
        requester=known.requester,
        namespace=member.namespace,
        old=member,
        new=None,
        old_body=known.old_body,
        new_body={},
    )
    yield from (key.name for key in member_evidence(step, removal).price.revoked)
