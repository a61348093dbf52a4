"""Judging changes of Memberships: authority, transitions, the price in keys, the last owner."""

import asyncio

from tenure.admission.context import Context
from tenure.admission.owners import judge_owner_loss
from tenure.domain.admission.acknowledgement import is_approved
from tenure.domain.admission.authority import explain_missing, membership_grants, raises_itself
from tenure.domain.admission.judgement import Judgement
from tenure.domain.admission.ownership import takes_owner
from tenure.domain.admission.price import Price, price, recorded_price
from tenure.domain.admission.request import Change
from tenure.domain.admission.transitions import domain_refusal, explain_denial, is_denied
from tenure.domain.admission.wording import (
    denied_with_keys,
    price_warnings,
    service_account_warning,
    unacknowledged,
)
from tenure.domain.conditions import ready_reason
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.resources.organization import WhenKeysExist
from tenure.domain.roles import Role


async def judge_membership(context: Context, change: Change[Membership]) -> Judgement:
    """Judge the creation, change or removal of a Membership; whoever lacks a grant learns nothing of keys."""
    member = change.subject
    organization, missing = await asyncio.gather(
        context.find(Organization, change.namespace, member.spec.organization),
        context.missing(change.requester, membership_grants(change)),
    )
    judgement = _open(change)
    if missing:
        judgement = judgement.refuse(explain_missing(change.requester, missing, "spec.role"))
    if raises_itself(change, context.installation):
        judgement = judgement.refuse(
            f"spec.role: {change.requester.username} can't raise their own role; somebody else has to do it"
        )
    if organization is not None:
        judgement = judgement.refuse(*_rule_refusals(change, organization))
    if change.old is None:
        return judgement.refuse(await _duplicate(context, member))
    if not judgement.allowed or organization is None:
        return judgement
    judgement = await _with_price(context, judgement, change, organization)
    if takes_owner(change):
        # The lease is taken last, and only for a change that is let in otherwise.
        return judgement.join(
            await judge_owner_loss(context, change, organization, take=judgement.allowed and not change.dry_run)
        )
    return judgement


def _new_role(change: Change[Membership]) -> Role | None:
    """The role afterwards; None: the member is removed."""
    return None if change.removes or change.new is None else change.new.spec.role


def _open(change: Change[Membership]) -> Judgement:
    old, new = change.old, _new_role(change)
    return Judgement().note(**{"from": str(old.spec.role if old else None), "to": str(new)})


def _rule_refusals(change: Change[Membership], organization: Organization) -> list[str | None]:
    new = change.new
    if new is None:
        return []
    old_role = change.old.spec.role if change.old is not None else None
    step = old_role is not new.spec.role and is_denied(organization, old_role, new.spec.role)
    return [
        explain_denial(organization, old_role, new.spec.role) if step else None,
        domain_refusal(organization, new) if change.old is None else None,
    ]


async def _duplicate(context: Context, member: Membership) -> str | None:
    subject = member.spec.subject
    others = await context.cluster.list_in(Membership, member.namespace, selector=f"spec.subject.name={subject.name}")
    for other in others:
        if other.name != member.name and other.spec.subject == subject and not other.metadata.deleting:
            return (
                f"spec.subject: {subject.name} is a member already, by Membership {other.name}; change that one's role "
                "instead"
            )
    return None


async def _with_price(
    context: Context, judgement: Judgement, change: Change[Membership], organization: Organization
) -> Judgement:
    old, new_role, now = change.old, _new_role(change), context.now()
    if old is None or new_role is old.spec.role:
        return judgement
    mode = context.installation.policy(organization).when_keys_exist
    cost = await _price(context, old, new_role, organization, mode)
    judgement = judgement.note(keys_ended=", ".join(cost.dying))
    if new_role is not None and cost.ends and mode is WhenKeysExist.DENY:
        return judgement.refuse(denied_with_keys(old, new_role, cost, organization.name))
    if new_role is not None and cost.dying and mode is WhenKeysExist.REQUIRE_ACKNOWLEDGEMENT:
        before, after = change.acknowledgements
        if not _is_acknowledged(before, after, new_role, cost):
            return judgement.refuse(unacknowledged(old, new_role, cost, (before, after), now))
    judgement = judgement.warn(*price_warnings(old, new_role, cost, now))
    if takes_owner(change):
        judgement = judgement.warn(service_account_warning(old, await _service_account_keys(context, old.namespace)))
    return judgement


def _is_acknowledged(before: str | None, after: str | None, role: Role, cost: Price) -> bool:
    try:
        return is_approved(before, after, role, cost.dying)
    except ValueError:
        return False


async def _price(
    context: Context, old: Membership, new_role: Role | None, organization: Organization, mode: WhenKeysExist
) -> Price:
    """The exact price where it decides; for a warning, what the status says: a list takes twenty times as long."""
    if new_role is None or mode is WhenKeysExist.WARN:
        return recorded_price(old, new_role)
    keys = await context.cluster.list_in(ApiKey, old.namespace, selector=f"spec.membership={old.name}")
    return price(old, new_role, keys, organization, context.now(), installation=context.installation)


async def _service_account_keys(context: Context, namespace: str) -> int:
    """How many keys of service accounts work."""
    selector = f"status.subjectKind={SubjectKind.SERVICE_ACCOUNT}"
    keys = await context.cluster.list_in(ApiKey, namespace, selector=selector)
    return sum(ready_reason(key.status.conditions) == Reason.ISSUED for key in keys)
