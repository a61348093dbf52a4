"""Judging changes of ApiKeys: whose they are, and the organization's rules for them."""

from tenure.admission.context import Context
from tenure.domain.admission.authority import api_key_grants, explain_missing, is_own, revocation
from tenure.domain.admission.judgement import Judgement
from tenure.domain.admission.keyrules import expiry_refusal, quota_refusal, template_refusals, token_warning
from tenure.domain.admission.request import Change
from tenure.domain.resources import ApiKey, Membership, Organization


async def judge_api_key(context: Context, change: Change[ApiKey]) -> Judgement:
    """Judge the creation, change or deletion of an ApiKey."""
    key = change.subject
    membership = await context.find(Membership, change.namespace, key.spec.membership)
    organization = await _organization(context, change.namespace, membership)
    judgement = Judgement().refuse(
        await context.handover_refusal(change), await _authority_refusal(context, change, membership, organization)
    )
    if change.new is None or not judgement.allowed:
        return judgement
    judgement = judgement.refuse(*template_refusals(change, organization))
    if change.old is None and membership is not None and organization is not None:
        judgement = judgement.refuse(
            expiry_refusal(key, organization, context.now(), context.installation),
            await _quota_refusal(context, key, membership, organization),
        )
    return judgement.warn(token_warning(change, membership))


async def _organization(context: Context, namespace: str, membership: Membership | None) -> Organization | None:
    if membership is None:
        return await context.organization_in_force(namespace)
    return await context.find(Organization, namespace, membership.spec.organization)


async def _authority_refusal(
    context: Context, change: Change[ApiKey], membership: Membership | None, organization: Organization | None
) -> str | None:
    """Why somebody may not touch this key; None: they may."""
    if is_own(change.requester, membership, context.installation):
        return None
    if change.old is not None and change.removes and not change.changes_spec:
        may_not_revoke = await context.missing(change.requester, [revocation(change.old)])
        if not may_not_revoke:
            return None
    named = membership.spec.organization if membership is not None else organization.name if organization else ""
    missing = await context.missing(change.requester, api_key_grants(change.namespace, membership, named))
    return explain_missing(change.requester, missing, "spec.membership") if missing else None


async def _quota_refusal(
    context: Context, key: ApiKey, membership: Membership, organization: Organization
) -> str | None:
    if context.installation.policy(organization).max_per_member is None:
        return None
    siblings = await context.cluster.list_in(ApiKey, key.namespace, selector=f"spec.membership={membership.name}")
    return quota_refusal(
        key, membership, organization, siblings=siblings, now=context.now(), installation=context.installation
    )
