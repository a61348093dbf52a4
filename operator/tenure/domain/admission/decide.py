"""Decides about a change, with named checks of the evidence in a fixed order.

A check says what is wrong, and uses only the evidence. All checks run, so that a refusal names everything that is
wrong. The exception is a requester who isn't entitled to the change: they must not learn more from a refusal.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tenure.domain.admission.decide_api_keys import decide_api_key
from tenure.domain.admission.decide_memberships import decide_membership
from tenure.domain.admission.decide_organizations import decide_organization
from tenure.domain.admission.decision import Decision, Text, find_refusals, refused
from tenure.domain.admission.evidence import Evidence, MembershipEvidence, OrganizationEvidence
from tenure.domain.admission.gitops_warnings import reverted_warning
from tenure.domain.admission.key_evidence import ApiKeyEvidence
from tenure.domain.admission.metadata_limits import metadata_refusals


def check_metadata(evidence: Evidence[Any]) -> Iterable[Text]:
    """Reject an object that grows too large to be changed again."""
    return metadata_refusals(evidence.change)


def decide(evidence: Evidence[Any]) -> Decision:
    """Decide about a change.

    Raises:
        NotReadError: the evidence lacks something that a rule needs.
    """
    limits = find_refusals([check_metadata], evidence)
    always = refused(limits).warn(reverted_warning(evidence.change))
    if not evidence.change.matters:
        return Decision(always, limits)
    decision = _decide_kind(evidence)
    claim = decision.claim if always.allowed else None
    return Decision(
        always.join(decision.judgement),
        (*limits, *decision.refusals),
        claim and replace(claim, lost=always.join(claim.lost)),
        decision.line if always.allowed else None,
    )


def _decide_kind(evidence: Evidence[Any]) -> Decision:
    match evidence:
        case OrganizationEvidence():
            return decide_organization(evidence)
        case MembershipEvidence():
            return decide_membership(evidence)
        case ApiKeyEvidence():
            return decide_api_key(evidence)
    raise TypeError(f"{type(evidence).__name__} is no evidence of a kind")
