"""The decision about an Organization: one in a namespace, and protected ones stay."""

from collections.abc import Iterator, Mapping

from tenure.domain.admission.decision import Check, Decision, Rule, Text, check_deletion, find_refusals, refused
from tenure.domain.admission.evidence import OrganizationEvidence, read
from tenure.domain.admission.organization_rules import (
    deletion_warning,
    newly_suspended,
    placement_refusals,
    protection_refusal,
    suspension_warning,
)


def _check_placement(evidence: OrganizationEvidence) -> Iterator[Text]:
    change = evidence.change
    if change.old is None:
        present = read(evidence.present, "the namespace's Organizations")
        others = [one for one in present if one.name != change.subject.name and not one.metadata.deleting]
        yield from placement_refusals(change, others)


_ORGANIZATION_CHECKS: Mapping[Rule, Check[OrganizationEvidence]] = {
    # Whoever hands an object to the garbage collector may delete it.
    Rule.DELETION: check_deletion,
    # A protected Organization stays until the protection is taken away in a write of its own.
    Rule.PROTECTION: lambda evidence: [protection_refusal(evidence.change)],
    # A namespace is a vault: it holds one Organization, and no workloads.
    Rule.PLACEMENT: _check_placement,
}


def decide_organization(evidence: OrganizationEvidence) -> Decision:
    """Decide about the creation, change or deletion of an Organization."""
    change = evidence.change
    refusals = find_refusals(_ORGANIZATION_CHECKS, evidence)
    judgement = refused(refusals).warn(deletion_warning(change))
    if change.new is not None and newly_suspended(change):
        owners = [owner for owner in read(evidence.owners, "the Owners") if not owner.metadata.deleting]
        judgement = judgement.warn(suspension_warning(change.new, owners))
    return Decision(judgement, refusals)
