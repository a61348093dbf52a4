"""Judging changes of Organizations: one in a namespace, and protected ones stay."""

from tenure.admission.context import Context
from tenure.domain.admission.judgement import Judgement
from tenure.domain.admission.request import Change
from tenure.domain.admission.tenancy import (
    deletion_warning,
    newly_suspended,
    placement_refusals,
    protection_refusal,
    suspension_warning,
)
from tenure.domain.resources import Membership, Organization
from tenure.domain.roles import Role


async def judge_organization(context: Context, change: Change[Organization]) -> Judgement:
    """Judge the creation, change or deletion of an Organization."""
    judgement = Judgement().refuse(await context.handover_refusal(change), protection_refusal(change))
    judgement = judgement.warn(deletion_warning(change))
    if change.old is None:
        present = await context.cluster.list_in(Organization, change.namespace)
        others = [one for one in present if one.name != change.subject.name and not one.metadata.deleting]
        return judgement.refuse(*placement_refusals(change, others))
    if change.new is not None and newly_suspended(change):
        members = await context.cluster.list_in(Membership, change.namespace, selector=f"spec.role={Role.OWNER}")
        owners = [member for member in members if not member.metadata.deleting]
        return judgement.warn(suspension_warning(change.new, owners))
    return judgement
