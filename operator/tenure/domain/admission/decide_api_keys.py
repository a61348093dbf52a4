"""The decision about an ApiKey: whose it is, and the organization's rules for it."""

from collections.abc import Iterator, Mapping

from tenure.domain.admission.authority import explain_missing
from tenure.domain.admission.decision import Check, Decision, Rule, Text, check_deletion, find_refusals, refused
from tenure.domain.admission.evidence import ApiKeyEvidence, read
from tenure.domain.admission.key_rules import expiry_refusal, quota_refusal, template_refusals, token_warning


def _check_holder(evidence: ApiKeyEvidence) -> Iterator[Text]:
    missing = read(evidence.missing_grants, "the grants") if evidence.asks_for_grants else ()
    if missing:
        yield explain_missing(evidence.change.requester, missing, "spec.membership")


def _check_expiry(evidence: ApiKeyEvidence) -> Iterator[Text]:
    change, organization = evidence.change, evidence.organization
    if change.old is None and evidence.membership is not None and organization is not None:
        yield expiry_refusal(change.subject, organization, evidence.now, evidence.installation)


def _check_quota(evidence: ApiKeyEvidence) -> Iterator[Text]:
    membership, organization = evidence.membership, evidence.organization
    if membership is None or organization is None or not evidence.asks_for_siblings:
        return
    yield quota_refusal(
        evidence.change.subject,
        membership,
        organization,
        siblings=read(evidence.siblings, "the member's other keys"),
        now=evidence.now,
        installation=evidence.installation,
    )


_AUTHORITY_CHECKS: Mapping[Rule, Check[ApiKeyEvidence]] = {
    # Whoever hands an object to the garbage collector may delete it.
    Rule.DELETION: check_deletion,
    # A key is touched by its holder, and by whoever may grant the holder's role; deleted besides by the right to.
    Rule.GRANTS: _check_holder,
}
_KEY_CHECKS: Mapping[Rule, Check[ApiKeyEvidence]] = {
    # A key puts on its Secret only what the organization allows.
    Rule.SECRET_TEMPLATE: lambda evidence: template_refusals(evidence.change, evidence.organization),
    # A new key ends in the future, and as soon as the organization's rules say.
    Rule.EXPIRY: _check_expiry,
    # A member has no more keys than the organization allows.
    Rule.QUOTA: _check_quota,
}


def decide_api_key(evidence: ApiKeyEvidence) -> Decision:
    """Decide about the creation, change or deletion of an ApiKey."""
    refusals = find_refusals(_AUTHORITY_CHECKS, evidence)
    if refusals or evidence.change.new is None:
        return Decision(refused(refusals), refusals)
    refusals = find_refusals(_KEY_CHECKS, evidence)
    return Decision(refused(refusals).warn(token_warning(evidence.change, evidence.membership)), refusals)
