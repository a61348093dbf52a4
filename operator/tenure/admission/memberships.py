"""Judging changes of Memberships: authority, transitions, the price in keys, the last owner."""

import asyncio
from collections.abc import Iterator, Sequence

from tenure.admission.context import Context
from tenure.admission.owners import judge_owner_loss
from tenure.domain.admission.authority import Permission, explain_missing, membership_grants, raises_itself
from tenure.domain.admission.judgement import MAX_MESSAGE, Judgement
from tenure.domain.admission.ownership import ownership_warning, takes_owner
from tenure.domain.admission.price import Price, price, recorded_price, tells_price
from tenure.domain.admission.request import Change
from tenure.domain.admission.transitions import duplicate_refusal, rule_refusals
from tenure.domain.admission.wording import ended_note, key_refusal, price_warnings, service_account_warning
from tenure.domain.conditions import ready_reason
from tenure.domain.policy import WhenKeysExist
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.roles import Role


async def judge_membership(context: Context, change: Change[Membership]) -> Judgement:
    """Judge the creation, change or removal of a Membership; whoever lacks a grant learns nothing of keys."""
    member = change.subject
    organization, missing, handover = await asyncio.gather(
        context.find(Organization, change.namespace, member.spec.organization),
        context.missing(change.requester, membership_grants(change)),
        context.handover_refusal(change),
    )
    judgement = _open(change).refuse(*_authority_refusals(context, change, missing), handover)
    is_entitled = judgement.allowed
    if organization is not None and change.new is not None:
        judgement = judgement.refuse(*rule_refusals(organization, change.old, change.new))
    if change.old is None:
        selector = f"spec.subject.name={member.spec.subject.name}"
        others = await context.cluster.list_in(Membership, member.namespace, selector=selector)
        return judgement.refuse(duplicate_refusal(member, others))
    judgement = judgement.warn(ownership_warning(change))
    if not is_entitled or organization is None:
        return judgement
    return await _judge_loss(context, judgement, change, organization)


def _new_role(change: Change[Membership]) -> Role | None:
    """The role afterwards; None: the member is removed.

    A change of role beside a new ownerReference is one: the owner may live on, and with it the member.
    """
    if change.new is None or (change.hands_over and not change.changes_spec):
        return None
    return change.new.spec.role


def _open(change: Change[Membership]) -> Judgement:
    old, new = change.old, _new_role(change)
    # A deletion says only in its body that it is a dry-run, and an audit log seldom holds that.
    trial = {"dry-run": "true"} if change.dry_run else {}
    return Judgement().note(**{"from": str(old.spec.role if old else None), "to": str(new)}, **trial)


def _authority_refusals(context: Context, change: Change[Membership], missing: Sequence[Permission]) -> Iterator[str]:
    if missing:
        yield explain_missing(change.requester, missing, "spec.role")
    if raises_itself(change, context.installation):
        yield f"spec.role: {change.requester.username} can't raise their own role; somebody else has to do it"


async def _judge_loss(
    context: Context, judgement: Judgement, change: Change[Membership], organization: Organization
) -> Judgement:
    """Judge what a change takes away: keys, and an Owner."""
    old, new_role, now = change.old, _new_role(change), context.now()
    if old is None or new_role is old.spec.role:
        return judgement
    mode = context.installation.policy(organization).when_keys_exist
    cost = await _price(context, old, new_role, organization, mode)

    def objection(room: int) -> str | None:
        marks = change.acknowledgements
        return key_refusal(old, new_role, cost, organization, mode=mode, annotations=marks, now=now, room=room)

    is_refused = objection(MAX_MESSAGE) is not None
    judgement = judgement.note(keys_ended=ended_note(cost))
    if takes_owner(change):
        number = await _service_account_keys(context, old.namespace)
        # The lease is taken last, and only for a change that is let in otherwise: no later read may fail or be slow.
        take = judgement.allowed and not is_refused and not change.dry_run
        judgement = judgement.join(await judge_owner_loss(context, change, organization, take=take))
        if judgement.allowed:
            judgement = judgement.warn(service_account_warning(old, number))
    if is_refused:
        # It is the longest refusal, and fits into the room that the others leave.
        taken = sum(len(refusal) + 1 for refusal in judgement.refusals)
        return judgement.refuse(objection(MAX_MESSAGE - taken))
    return judgement.warn(*price_warnings(old, new_role, cost, now)) if judgement.allowed else judgement


async def _price(
    context: Context, old: Membership, new_role: Role | None, organization: Organization, mode: WhenKeysExist
) -> Price:
    """The exact price where it decides; for a warning, what the status says: a list takes twenty times as long."""
    decides = new_role is not None and mode is not WhenKeysExist.WARN
    if not decides and tells_price(old, new_role) and not organization.suspends(old.name):
        return recorded_price(old, new_role)
    keys = await context.cluster.list_in(ApiKey, old.namespace, selector=f"spec.membership={old.name}")
    return price(old, new_role, keys, organization, context.now(), installation=context.installation)


async def _service_account_keys(context: Context, namespace: str) -> int:
    """How many keys of service accounts work."""
    selector = f"status.subjectKind={SubjectKind.SERVICE_ACCOUNT}"
    keys = await context.cluster.list_in(ApiKey, namespace, selector=selector)
    return sum(ready_reason(key.status.conditions) == Reason.ISSUED for key in keys)
