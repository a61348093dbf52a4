"""Decides about a change of a Membership: the requester's rights, transitions, revoked keys and the last Owner."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tenure.domain.admission.authority import explain_missing, raises_itself
from tenure.domain.admission.decision import (
    Check,
    Claim,
    Decision,
    Refusal,
    Text,
    check_deletion,
    find_refusals,
    refused,
)
from tenure.domain.admission.evidence import MembershipEvidence, read
from tenure.domain.admission.invitation_rules import newcomer_warnings
from tenure.domain.admission.last_owner import explain_last_owner, ownership_warning
from tenure.domain.admission.messages import (
    denied_with_keys,
    ended_note,
    inheritance_warnings,
    price_warnings,
    service_account_warning,
    unacknowledged,
    unacknowledged_too,
)
from tenure.domain.admission.owners_turn import arriving, may_take, with_waiting
from tenure.domain.admission.role_rules import (
    domain_refusal,
    duplicate_refusal,
    spelling_warning,
    transition_refusal,
)
from tenure.domain.admission.verdict import MAX_MESSAGE, Judgement
from tenure.domain.lease import Lease
from tenure.domain.policy import WhenKeysExist
from tenure.domain.resources import Membership

_ARRIVING = "Organization {} is getting another first Owner at this moment. Try again in a second."
_BUSY = "Another Owner of Organization {} is being changed at this moment. Try again in a second."


def _check_grants(evidence: MembershipEvidence) -> Iterator[Text]:
    if evidence.missing_grants:
        yield explain_missing(evidence.change.requester, evidence.missing_grants, evidence.change.field("spec.role"))


def _check_own_role(evidence: MembershipEvidence) -> Iterator[Text]:
    change = evidence.change
    if raises_itself(change, evidence.installation):
        yield (
            f"spec.role: {change.requester.username} can't raise their own role. Ask an Owner or a cluster "
            "administrator to make this change."
        )


def _check_transition(evidence: MembershipEvidence) -> Iterator[Text]:
    change, organization = evidence.change, evidence.organization
    if organization is not None and change.new is not None and not evidence.is_first_owner:
        yield transition_refusal(organization, change.old, change.new)


def _check_email_domain(evidence: MembershipEvidence) -> Iterator[Text]:
    change, organization = evidence.change, evidence.organization
    if organization is not None and change.old is None:
        yield domain_refusal(organization, change.subject)


def check_duplicate(evidence: MembershipEvidence) -> Iterator[Text]:
    """Reject a second Membership of a person."""
    change = evidence.change
    if change.old is None:
        yield duplicate_refusal(change.subject, read(evidence.namesakes, "Memberships of the same name"))


def check_last_owner(evidence: MembershipEvidence) -> Iterator[Text]:
    """Reject a change that leaves an organization without an Owner."""
    leaving, organization = evidence.change.old, evidence.organization
    if leaving is None or organization is None or not evidence.asks_for_owners or evidence.remaining_owners:
        return
    # If the namespace is being deleted, the whole organization is deleted with it.
    if not read(evidence.namespace_terminating, "whether the namespace is being deleted"):
        yield explain_last_owner(leaving, organization)


def _check_keys_denied(evidence: MembershipEvidence) -> Iterator[Text]:
    old, new_role, issuer = evidence.change.old, evidence.new_role, evidence.issuer
    if old is None or new_role is None or issuer is None or not evidence.takes_role:
        return
    if evidence.policy is WhenKeysExist.DENY and evidence.price.revoked:
        yield lambda room: denied_with_keys(old, new_role, evidence.price, issuer.name, room=room)


def check_acknowledgement(evidence: MembershipEvidence) -> Iterator[Text]:
    """Reject a role change that doesn't acknowledge the keys that it revokes, if the organization requires it."""
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


_MEMBERSHIP_CHECKS: Sequence[Check[MembershipEvidence]] = (
    # The requester must have the grant of each role that the change gives or takes. To change metadata, they must have
    # the grant of the member's role.
    _check_grants,
    # Requesters can't raise their own role, no matter which grants they have.
    _check_own_role,
    # Only a requester who may delete an object may hand it to the garbage collector.
    check_deletion,
    # The organization can deny certain role changes, but not its first Owner. Without one, nobody could use it.
    _check_transition,
    # A new member must have an address in one of the organization's domains.
    _check_email_domain,
    # Two Memberships of one person would give them two roles.
    check_duplicate,
    # An organization that had an Owner must keep one.
    check_last_owner,
    # The organization can deny every role change that revokes keys.
    _check_keys_denied,
    # The organization can require an acknowledgement of the keys that are revoked. The longest refusal comes last.
    check_acknowledgement,
)

_OF_KEYS = (_check_keys_denied, check_acknowledgement)


def decide_membership(evidence: MembershipEvidence) -> Decision:
    """Decide about the creation, change or removal of a Membership."""
    change, old = evidence.change, evidence.change.old
    refusals = _without_vain_advice(evidence, find_refusals(_MEMBERSHIP_CHECKS, evidence))
    judgement = refused(refusals)
    if change.only_metadata:
        return Decision(judgement, refusals)
    judgement = replace(judgement, busy=_busy(evidence))
    judgement = judgement.note(**_notes(evidence)).warn(ownership_warning(change))
    if old is None:
        warned = judgement.warn(*_creation_warnings(evidence))
        return Decision(warned, refusals, claim=_claim(evidence, judgement))
    if not evidence.takes_role:
        return Decision(judgement, refusals)
    warned = judgement
    if evidence.takes_owner and not judgement.busy and all(one.rule in _OF_KEYS for one in refusals):
        number = read(evidence.service_account_keys, "the number of service accounts' keys")
        warned = warned.warn(service_account_warning(old, number))
    if not judgement.allowed:
        return Decision(warned, refusals, line=_line(evidence, old) if judgement.busy and not refusals else None)
    warned = warned.warn(*price_warnings(old, evidence.new_role, evidence.price, evidence.now))
    return Decision(warned, claim=_claim(evidence, judgement))


def _without_vain_advice(evidence: MembershipEvidence, refusals: tuple[Refusal, ...]) -> tuple[Refusal, ...]:
    """Return the refusals without the command that acknowledges keys, if the change is rejected even so."""
    old, new_role = evidence.change.old, evidence.new_role
    others = tuple(one for one in refusals if one.rule is not check_acknowledgement)
    if not others or others == refusals or old is None or new_role is None:
        return refusals
    room = MAX_MESSAGE - sum(len(one.text) + 1 for one in others)
    return (*others, Refusal(check_acknowledgement, unacknowledged_too(old, new_role, evidence.price, room=room)))


def _creation_warnings(evidence: MembershipEvidence) -> Iterator[str | None]:
    """Yield the warnings about a new member. They name keys only if the requester is entitled to the change."""
    member = evidence.change.subject
    if evidence.is_entitled:
        yield spelling_warning(member, evidence.installation)
        yield from inheritance_warnings(member, read(evidence.keys, "the keys that name the Membership"))
        yield from newcomer_warnings(member, evidence.organization, evidence.now)


def _notes(evidence: MembershipEvidence) -> dict[str, str]:
    """Return the notes for the audit log. They name the keys only if the requester is entitled to the change."""
    change = evidence.change
    notes = {"from": str(change.old.spec.role if change.old else None), "to": str(evidence.new_role)}
    if change.dry_run:
        # Only the body of a deletion says that it is a dry-run, and audit logs seldom include the body.
        notes["dry-run"] = "true"
    if evidence.takes_role:
        notes["keys_ended"] = ended_note(evidence.price)
    return notes


def _busy(evidence: MembershipEvidence) -> str:
    """Return why to try again, or an empty string.

    The reason is that the change of another Owner, the lease holder, may still be stored.
    """
    if evidence.is_first_owner:
        # Nobody else is an Owner, so the lease of an Owner who left is free.
        first = arriving(evidence.change.subject.name)
        is_free = may_take(evidence.lease, first, {}, evidence.now)
        return "" if is_free else _ARRIVING.format(evidence.change.subject.spec.organization)
    leaving, organization = evidence.change.old, evidence.organization
    if leaving is None or organization is None or not evidence.asks_for_owners or not evidence.remaining_owners:
        return ""
    versions, uid = _versions(evidence), leaving.metadata.uid
    if uid not in versions or may_take(evidence.lease, uid, versions, evidence.now):
        return ""
    return _BUSY.format(organization.name)


def _line(evidence: MembershipEvidence, leaving: Membership) -> Lease | None:
    """Return the lease with an Owner in it who has to wait, unless it is a dry-run."""
    if evidence.lease is None or evidence.change.dry_run or evidence.is_first_owner:
        return None
    return with_waiting(evidence.lease, leaving.metadata.uid, _versions(evidence))


def _versions(evidence: MembershipEvidence) -> dict[str, str]:
    """Return the resourceVersion of each Owner's Membership, by its uid."""
    owners = read(evidence.owners, "the Owners")
    return {owner.metadata.uid: owner.metadata.resource_version for owner in owners}


def _claim(evidence: MembershipEvidence, judgement: Judgement) -> Claim | None:
    """Return the lease that the change has to take: if an Owner leaves, or if the first one comes despite a rule."""
    organization, leaving = evidence.organization, evidence.change.old
    if organization is None or evidence.change.dry_run or not judgement.allowed:
        return None
    if evidence.is_first_owner:
        return Claim(
            namespace=organization.namespace,
            holder=arriving(evidence.change.subject.name),
            held_version="",
            replaces=evidence.lease,
            lost=replace(judgement, busy=_ARRIVING.format(organization.name)),
        )
    if leaving is None or not evidence.asks_for_owners or not evidence.remaining_owners:
        return None
    holder, versions = leaving.metadata.uid, _versions(evidence)
    if holder not in versions:
        # It has changed since the review was sent, so the write meets a conflict. Or somebody forged the review.
        return None
    return Claim(
        namespace=organization.namespace,
        holder=holder,
        # The version in the list, and not the one in the review. The review's may be older, and then another change
        # to the same Membership can still be stored. It can't be newer, unless somebody forged the review.
        held_version=versions[holder],
        replaces=evidence.lease,
        lost=replace(judgement, busy=_BUSY.format(organization.name)),
    )
