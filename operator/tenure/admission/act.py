"""Carry out a decision: take the owners' Lease, or enter the line for it. No review causes another write.

The webhook takes the Lease after all reads, and only for a change that it allows and that removes an Owner, or adds
the first one although a rule denies others. If another Owner's change holds it, an Owner who leaves gets in line.

The Lease is free again as soon as a list shows that the holder's Membership has changed since the Lease was taken. If
the allowed write is still in flight then, it gets a conflict, and the API server asks the webhook again. Otherwise the
Lease expires later than the API server's request timeout. So no allowed write is stored after the Lease was taken for
another Membership.
"""

from contextlib import suppress
from math import ceil

from tenure.admission.gather import lease_name
from tenure.admission.reader import Context
from tenure.domain.admission.decision import Claim, Decision
from tenure.domain.admission.owners_turn import taken
from tenure.domain.admission.verdict import Judgement
from tenure.domain.lease import Lease
from tenure.errors import AlreadyExistsError, ConflictError
from tenure.kube.leases import write_lease

_SKEW_SECONDS = 10
"""Largest difference between the clocks of two replicas that the Lease's duration allows for."""


async def act(context: Context, decision: Decision) -> Judgement:
    """Take the Lease that a decision claims, unless it has changed since it was read, and return the judgement.

    Raises:
        ApiError: the API server didn't store the Lease.
    """
    claim = decision.claim
    if decision.line is not None:
        with suppress(AlreadyExistsError, ConflictError):  # It enters the line at its next try.
            await write_lease(context.cluster, decision.line)
    if claim is None:
        return decision.judgement
    try:
        await write_lease(context.cluster, taken(claim.replaces, _lease(context, claim)))
    except (AlreadyExistsError, ConflictError):
        return claim.lost
    return decision.judgement


def _lease(context: Context, claim: Claim) -> Lease:
    return Lease(
        namespace=context.system_namespace,
        name=lease_name(claim.namespace),
        holder=claim.holder,
        held_version=claim.held_version,
        acquired=context.now(),
        seconds=ceil(context.request_seconds) + _SKEW_SECONDS,
    )
