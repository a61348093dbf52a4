"""Decides about a change of an Organization: one in each namespace, and protection against deletion."""

from collections.abc import Iterator, Sequence

from tenure.domain.admission.decision import Check, Decision, Text, check_deletion, find_refusals, refused
from tenure.domain.admission.evidence import OrganizationEvidence, read
from tenure.domain.admission.invitation_rules import invitation_warnings
from tenure.domain.admission.organization_rules import (
    deletion_warning,
    lifted_suspension_warning,
    loosened_warnings,
    newly_suspended,
    placement_refusals,
    protection_refusal,
    suspension_warning,
    unknown_members_warning,
)


def _check_placement(evidence: OrganizationEvidence) -> Iterator[Text]:
    change = evidence.change
    if change.old is None:
        present = read(evidence.present, "the namespace's Organizations")
        others = [one for one in present if one.name != change.subject.name and not one.metadata.deleting]
        yield from placement_refusals(change, others, evidence.system_namespace)


def _check_protection(evidence: OrganizationEvidence) -> Iterator[Text]:
    yield protection_refusal(evidence.change)


_ORGANIZATION_CHECKS: Sequence[Check[OrganizationEvidence]] = (
    # Only a requester who may delete an object may hand it to the garbage collector.
    check_deletion,
    # A protected Organization can be deleted only after an earlier write has removed the protection.
    _check_protection,
    # The namespace is a vault: it has one Organization and no workloads.
    _check_placement,
)


def decide_organization(evidence: OrganizationEvidence) -> Decision:
    """Decide about the creation, change or deletion of an Organization."""
    change = evidence.change
    refusals = find_refusals(_ORGANIZATION_CHECKS, evidence)
    judgement = refused(refusals).warn(
        deletion_warning(change),
        lifted_suspension_warning(change),
        *loosened_warnings(change, evidence.installation),
        *invitation_warnings(change, evidence.mail_runs),
    )
    if change.new is not None and newly_suspended(change):
        owners = [owner for owner in read(evidence.owners, "the Owners") if not owner.metadata.deleting]
        judgement = judgement.warn(
            suspension_warning(change.new, owners),
            unknown_members_warning(read(evidence.not_members, "whether the suspended members exist")),
        )
    return Decision(judgement, refusals)
