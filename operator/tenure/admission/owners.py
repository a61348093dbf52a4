"""The last owner, under concurrency: a change that takes an Owner away holds the organization's lease.

Listing the Owners alone isn't enough: two demotions at the same moment would each see the other's Owner. So the lease
is read, then the Owners are listed, then the lease is taken if it is still as it was read: nobody was let in meanwhile.
It outlives the API server's request timeout, so that no write that was let in is stored after its lease went to
somebody else. It is free again as soon as a list shows that the holder's Membership isn't as it was when the lease was
taken: a write that is still in flight then meets a conflict, and the API server has it judged anew.
"""

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from tenure.admission.context import Context
from tenure.domain.admission.judgement import Judgement
from tenure.domain.admission.ownership import explain_last_owner, remaining_owners
from tenure.domain.admission.request import Change
from tenure.domain.lease import Lease
from tenure.domain.resources import Membership, Organization
from tenure.domain.roles import Role
from tenure.errors import AlreadyExistsError, ConflictError
from tenure.kube.leases import read_lease, write_lease

_SKEW_SECONDS = 10
"""How far the clocks of two replicas may be apart."""


async def judge_owner_loss(
    context: Context, change: Change[Membership], organization: Organization, *, take: bool
) -> Judgement:
    """Whether an Owner may go, and nobody else's departure is under way at the same time; `take`: from now on."""
    leaving = change.old
    if leaving is None or organization.metadata.deleting:
        return Judgement()
    return await _judge_departure(context, leaving, organization, take=take)


async def _judge_departure(
    context: Context, leaving: Membership, organization: Organization, *, take: bool
) -> Judgement:
    now = context.now()  # Before the list, which shows all that was stored under a lease that is over by now.
    lease = await read_lease(context.cluster, context.system_namespace, _lease_name(organization))
    members = await context.cluster.list_in(Membership, organization.namespace, selector=f"spec.role={Role.OWNER}")
    if not remaining_owners(members, leaving, organization):
        if await _is_terminating(context, organization.namespace):
            return Judgement()
        return Judgement().refuse(explain_last_owner(leaving, organization))
    if lease is not None and not _is_free(lease, leaving, members, now):
        return _busy(organization)
    try:
        if take:
            await write_lease(context.cluster, _taken(lease, leaving, members, organization, context))
    except (AlreadyExistsError, ConflictError):
        return _busy(organization)
    return Judgement()


def _lease_name(organization: Organization) -> str:
    return f"tenure-owners-{organization.namespace}"


def _busy(organization: Organization) -> Judgement:
    return Judgement(
        busy=f"another Owner of Organization {organization.name} is being changed at this moment; try again"
    )


def _is_free(lease: Lease, leaving: Membership, members: Sequence[Membership], now: datetime) -> bool:
    """Whether nobody else's change can still be stored under the lease."""
    if lease.holder == leaving.metadata.uid or lease.expired(now):
        return True
    return lease.held_version != _version(members, lease.holder)


def _version(members: Sequence[Membership], uid: str) -> str | None:
    """The version of an Owner as listed; None: it is gone, or no Owner any more."""
    return next((member.metadata.resource_version for member in members if member.metadata.uid == uid), None)


def _taken(
    lease: Lease | None,
    leaving: Membership,
    members: Sequence[Membership],
    organization: Organization,
    context: Context,
) -> Lease:
    return Lease(
        namespace=context.system_namespace,
        name=_lease_name(organization),
        holder=leaving.metadata.uid,
        # As listed, and not as the review has it: that may be older, and then it is another change to the same
        # Membership that can be stored. Nor is it newer, unless somebody made the review up.
        held_version=_version(members, leaving.metadata.uid) or leaving.metadata.resource_version,
        acquired=context.now(),
        seconds=ceil(context.request_seconds) + _SKEW_SECONDS,
        resource_version=lease.resource_version if lease is not None else "",
    )


async def _is_terminating(context: Context, namespace: str) -> bool:
    body = await context.cluster.read(f"/api/v1/namespaces/{namespace}")
    return body["metadata"].get("deletionTimestamp") is not None
