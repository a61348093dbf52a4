"""The decision about a Membership: authority, transitions, the price in keys, the last Owner."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tenure.domain.admission.authority import explain_missing, raises_itself
from tenure.domain.admission.decision import Check, Claim, Decision, Rule, Text, check_deletion, find_refusals, refused
from tenure.domain.admission.evidence import MembershipEvidence, read
from tenure.domain.admission.last_owner import explain_last_owner, ownership_warning
from tenure.domain.admission.messages import (
    denied_with_keys,
    ended_note,
    price_warnings,
    service_account_warning,
    unacknowledged,
)
from tenure.domain.admission.role_rules import domain_refusal, duplicate_refusal, transition_refusal
from tenure.domain.admission.verdict import Judgement
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import Membership

_BUSY = "Another Owner of Organization {} is being changed at this moment. Try again in a second."


def _check_grants(evidence: MembershipEvidence) -> Iterator[Text]:
    if evidence.missing_grants:
        yield explain_missing(evidence.change.requester, evidence.missing_grants, "spec.role")


def _check_own_role(evidence: MembershipEvidence) -> Iterator[Text]:
    change = evidence.change
    if raises_itself(change, evidence.installation):
        yield (
            f"spec.role: {change.requester.username} can't raise their own role. Ask an Owner or a cluster "
            "administrator to make this change."
        )


def _check_transition(evidence: MembershipEvidence) -> Iterator[Text]:
    change, organization = evidence.change, evidence.organization
    if organization is not None and change.new is not None:
        yield transition_refusal(organization, change.old, change.new)


def _check_email_domain(evidence: MembershipEvidence) -> Iterator[Text]:
    change, organization = evidence.change, evidence.organization
    if organization is not None and change.old is None:
        yield domain_refusal(organization, change.subject)


def _check_duplicate(evidence: MembershipEvidence) -> Iterator[Text]:
    change = evidence.change
    if change.old is None:
        yield duplicate_refusal(change.subject, read(evidence.namesakes, "Memberships of the same name"))


def _check_last_owner(evidence: MembershipEvidence) -> Iterator[Text]:
    leaving, organization = evidence.change.old, evidence.organization
    if leaving is None or organization is None or not evidence.asks_for_owners or evidence.remaining_owners:
        return
    # With its namespace goes the whole organization.
    if not read(evidence.namespace_terminating, "whether the namespace is being deleted"):
        yield explain_last_owner(leaving, organization)


def _check_keys_denied(evidence: MembershipEvidence) -> Iterator[Text]:
    old, new_role, issuer = evidence.change.old, evidence.new_role, evidence.issuer
    if old is None or new_role is None or issuer is None or not evidence.takes_role:
        return
    if evidence.policy is WhenKeysExist.DENY and evidence.price.ends:
        yield denied_with_keys(old, new_role, evidence.price, issuer.name)


def _check_acknowledgement(evidence: MembershipEvidence) -> Iterator[Text]:
    old, new_role = evidence.change.old, evidence.new_role
    if old is None or new_role is None or not evidence.takes_role:
        return
    flaw = evidence.flaw if evidence.policy is WhenKeysExist.REQUIRE_ACKNOWLEDGEMENT else None
    if flaw is not None:
        yield lambda room: unacknowledged(
            old,
            new_role,
            evidence.price,
            flaw,
            acknowledgement=evidence.acknowledgement,
            now=evidence.now,
            room=room,
        )


_MEMBERSHIP_CHECKS: Mapping[Rule, Check[MembershipEvidence]] = {
    # Whoever gives or takes a role holds its grant.
    Rule.GRANTS: _check_grants,
    # Nobody raises their own role, whatever they may grant to others.
    Rule.OWN_ROLE: _check_own_role,
    # Whoever hands an object to the garbage collector may delete it.
    Rule.DELETION: check_deletion,
    # The organization denies certain steps from role to role.
    Rule.TRANSITION: _check_transition,
    # New members have an address in one of the organization's domains.
    Rule.EMAIL_DOMAIN: _check_email_domain,
    # Two Memberships of one person would be two roles.
    Rule.DUPLICATE: _check_duplicate,
    # An organization that had an Owner keeps one.
    Rule.LAST_OWNER: _check_last_owner,
    # The organization allows no role change that revokes keys.
    Rule.KEYS_DENIED: _check_keys_denied,
    # The organization asks for the names of the keys that a role change revokes. The longest refusal comes last.
    Rule.UNACKNOWLEDGED: _check_acknowledgement,
}

_OF_KEYS = {Rule.KEYS_DENIED, Rule.UNACKNOWLEDGED}


def decide_membership(evidence: MembershipEvidence) -> Decision:
    """Decide about the creation, change or removal of a Membership."""
    change, old = evidence.change, evidence.change.old
    refusals = find_refusals(_MEMBERSHIP_CHECKS, evidence)
    judgement = refused(refusals).note(**_notes(evidence))
    if old is None:
        return Decision(judgement, refusals)
    judgement = replace(judgement.warn(ownership_warning(change)), busy=_busy(evidence))
    if not evidence.takes_role:
        return Decision(judgement, refusals)
    warned = judgement
    if evidence.takes_owner and not judgement.busy and all(one.rule in _OF_KEYS for one in refusals):
        number = read(evidence.service_account_keys, "the number of service accounts' keys")
        warned = warned.warn(service_account_warning(old, number))
    if not judgement.allowed:
        return Decision(warned, refusals)
    warned = warned.warn(*price_warnings(old, evidence.new_role, evidence.price, evidence.now))
    return Decision(warned, claim=_claim(evidence, old, judgement))


def _notes(evidence: MembershipEvidence) -> dict[str, str]:
    """Notes for the audit log; of the keys only where somebody entitled asked."""
    change = evidence.change
    notes = {"from": str(change.old.spec.role if change.old else None), "to": str(evidence.new_role)}
    if change.dry_run:
        # A deletion says only in its body that it is a dry-run, and an audit log seldom holds that.
        notes["dry-run"] = "true"
    if evidence.takes_role:
        notes["keys_ended"] = ended_note(evidence.price)
    return notes


def _busy(evidence: MembershipEvidence) -> str:
    """Why to try again: another Owner's change may still be stored under the lease; empty: none can."""
    leaving, lease, organization = evidence.change.old, evidence.lease, evidence.organization
    if leaving is None or organization is None or not evidence.asks_for_owners or not evidence.remaining_owners:
        return ""
    if lease is None or lease.holder == leaving.metadata.uid or lease.expired(evidence.now):
        return ""
    # The holder isn't as it was when the lease was taken: its change was stored, or meets a conflict.
    return _BUSY.format(organization.name) if lease.held_version == _listed_version(evidence, lease.holder) else ""


def _listed_version(evidence: MembershipEvidence, uid: str) -> str | None:
    """The version of an Owner as listed; None: it is gone, or no Owner any more."""
    owners = read(evidence.owners, "the Owners")
    return next((owner.metadata.resource_version for owner in owners if owner.metadata.uid == uid), None)


def _claim(evidence: MembershipEvidence, leaving: Membership, judgement: Judgement) -> Claim | None:
    """The lease under which an Owner leaves an organization that keeps another one."""
    organization = evidence.organization
    if organization is None or evidence.change.dry_run:
        return None
    if not evidence.asks_for_owners or not evidence.remaining_owners:
        return None
    holder = leaving.metadata.uid
    return Claim(
        namespace=organization.namespace,
        holder=holder,
        # As listed, and not as the review has it: that may be older, and then it is another change to the same
        # Membership that can be stored. Nor is it newer, unless somebody made the review up.
        held_version=_listed_version(evidence, holder) or leaving.metadata.resource_version,
        replaces=evidence.lease,
        lost=replace(judgement, busy=_BUSY.format(organization.name)),
    )
