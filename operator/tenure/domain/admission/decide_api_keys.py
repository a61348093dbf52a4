"""Decides about a change of an ApiKey: the requester's rights, and the organization's rules for keys."""

from collections.abc import Iterable, Iterator, Sequence

from tenure.domain.admission.authority import (
    explain_handover,
    explain_missing,
    explain_spelling,
    explain_unknown_former,
    explain_unknown_holder,
)
from tenure.domain.admission.decision import Check, Decision, Text, check_deletion, find_refusals, refused
from tenure.domain.admission.evidence import read
from tenure.domain.admission.handover import handover_refusals, handover_warnings, unissued
from tenure.domain.admission.invitation_rules import pending_key_warning
from tenure.domain.admission.key_evidence import ApiKeyEvidence
from tenure.domain.admission.key_rules import (
    approval_refusal,
    capabilities_warning,
    expired_warning,
    expiry_refusal,
    idle_refusal,
    lifted_suspension_warning,
    overlap_warning,
    period_warning,
    quota_refusal,
    rotation_refusal,
    template_refusals,
    token_warning,
)
from tenure.domain.permissions import Permission, grant_verb


def _check_holder(evidence: ApiKeyEvidence) -> Iterator[Text]:
    missing = read(evidence.missing_grants, "the grants") if evidence.asks_for_grants else ()
    requester, key, before = evidence.change.requester, evidence.change.subject, evidence.change.old
    if not missing:
        return
    if evidence.membership is None:
        yield explain_unknown_holder(requester, missing, key)
        return
    if evidence.is_handover and evidence.former is None and before is not None:
        yield explain_unknown_former(requester, missing, key, before.spec.membership)
        return
    holders = [*(holder for holder in evidence.holders.values() if holder is not None), *evidence.revived]
    roles = {grant_verb(holder.spec.role) for holder in holders}
    own = [one for one in missing if one.verb in roles]
    approved = [one for one in missing if one not in own]
    if own:
        spelling = "".join(explain_spelling(requester, holder, evidence.installation) for holder in holders)
        yield _explain_holder(evidence, own) + spelling
    if approved:
        yield explain_missing(requester, approved, "spec.forRole")


def _explain_holder(evidence: ApiKeyEvidence, missing: Sequence[Permission]) -> str:
    """Return the refusal of a requester who lacks the grant of a holder's role."""
    change = evidence.change
    if evidence.is_handover and change.old is not None:
        return explain_handover(change.requester, missing, change.subject, change.old.spec.membership)
    field = "spec.suspended" if evidence.is_own or evidence.revived else change.field("spec.membership")
    return explain_missing(change.requester, missing, field)


def _check_handover(evidence: ApiKeyEvidence) -> Iterable[Text]:
    return handover_refusals(evidence)


def _check_expiry(evidence: ApiKeyEvidence) -> Iterator[Text]:
    key, organization = evidence.change.subject, evidence.organization
    if evidence.is_given and evidence.membership is not None and organization is not None:
        yield expiry_refusal(unissued(key), organization, evidence.now, evidence.installation)


def _check_rotation(evidence: ApiKeyEvidence) -> Iterator[Text]:
    yield rotation_refusal(evidence.change, evidence.organization, evidence.installation)


def _check_quota(evidence: ApiKeyEvidence) -> Iterator[Text]:
    membership, organization = evidence.membership, evidence.organization
    if membership is None or organization is None or not evidence.asks_for_siblings:
        return
    siblings = read(evidence.siblings, "the member's other keys")
    yield quota_refusal(
        unissued(evidence.change.subject),
        membership,
        organization,
        siblings=siblings,
        now=evidence.now,
        installation=evidence.installation,
    ) or (idle_refusal(membership, organization, siblings, evidence.installation) if evidence.gets_own else None)


def _quota_warning(evidence: ApiKeyEvidence) -> str | None:
    """Return the warning that a new key beyond the default limit waits, or None.

    It rests on the member's status, because reading the keys would take longer than all else.
    """
    membership, organization = evidence.membership, evidence.organization
    if not evidence.is_given or evidence.asks_for_siblings or membership is None or organization is None:
        return None
    limit = evidence.installation.policy(organization).max_per_member
    if limit is None or (membership.status.key_count or 0) < limit:
        return None
    return f"{membership.name} has {limit} working keys or more. The new one waits (QuotaExceeded) until others go."


def _check_template(evidence: ApiKeyEvidence) -> Iterable[Text]:
    return template_refusals(evidence.change, evidence.organization)


def _check_approval(evidence: ApiKeyEvidence) -> Iterator[Text]:
    if not evidence.is_handover:  # `_check_handover` has a rule of its own, because each token keeps its holder.
        yield approval_refusal(evidence.change, evidence.membership)


_AUTHORITY_CHECKS: Sequence[Check[ApiKeyEvidence]] = (
    # Only a requester who may delete an object may hand it to the garbage collector.
    check_deletion,
    # Only its holder, or a requester who may grant the holder's role and the roles in forRole, may change a key, its
    # metadata included. A hand-over needs that for both holders. The verb revoke also allows to delete a key. Holders
    # can't lift a suspension of their own key without that grant.
    _check_holder,
)
_KEY_CHECKS: Sequence[Check[ApiKeyEvidence]] = (
    # A key may set on its Secret only the labels and annotations that the organization allows.
    _check_template,
    # A service account's token that its role revoked mustn't come back because its approval is taken away.
    _check_approval,
    # A key may only be handed over within its organization, and to somebody of one of its domains.
    _check_handover,
    # A new key, and one that is handed over, must meet the organization's rules on expiry.
    _check_expiry,
    # Nobody may take the rotation from a key that the organization asks for.
    _check_rotation,
    # A member may not have more keys than the organization allows.
    _check_quota,
)


def decide_api_key(evidence: ApiKeyEvidence) -> Decision:
    """Decide about the creation, change or deletion of an ApiKey."""
    refusals = find_refusals(_AUTHORITY_CHECKS, evidence)
    if refusals or evidence.change.new is None:
        return Decision(refused(refusals), refusals)
    refusals = find_refusals(_KEY_CHECKS, evidence)
    before = evidence.change.old
    warnings = (
        token_warning(evidence.change, None if before is None else evidence.holder_of(before)),
        lifted_suspension_warning(evidence.change),
        expired_warning(evidence.change, evidence.now),
        capabilities_warning(evidence.change.new, evidence.membership) if evidence.is_given else None,
        _quota_warning(evidence),
        pending_key_warning(evidence.membership, evidence.organization) if evidence.is_given else None,
        overlap_warning(evidence.change, evidence.organization, evidence.installation),
        *handover_warnings(evidence),
        period_warning(evidence.change, evidence.organization, evidence.installation),
    )
    return Decision(refused(refusals).warn(*warnings), refusals)
