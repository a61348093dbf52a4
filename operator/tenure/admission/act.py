"""Acting on a decision: the one write of admission, the lease under which an Owner leaves.

It comes last, after every read, and only for a change that is allowed. It is free again as soon as a list shows that
the holder's Membership isn't as it was when the lease was taken: a write that is still in flight then meets a conflict,
and the API server has it judged anew. Otherwise it outlives the API server's request timeout, so that no write that was
let in is stored after its lease went to somebody else.
"""

from math import ceil

from tenure.admission.gather import lease_name
from tenure.admission.reader import Context
from tenure.domain.admission.decision import Claim, Decision
from tenure.domain.admission.verdict import Judgement
from tenure.domain.lease import Lease
from tenure.errors import AlreadyExistsError, ConflictError
from tenure.kube.leases import write_lease

_SKEW_SECONDS = 10
"""How far the clocks of two replicas may be apart."""


async def act(context: Context, decision: Decision) -> Judgement:
    """Take the lease that a decision claims, if it is still as it was read, and return the answer.

    Raises:
        ApiError: the lease couldn't be written.
    """
    claim = decision.claim
    if claim is None:
        return decision.judgement
    try:
        await write_lease(context.cluster, _lease(context, claim))
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
        resource_version=claim.replaces.resource_version if claim.replaces is not None else "",
    )
