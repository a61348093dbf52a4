"""Gather the evidence for a decision by reading from the API server, never from a cache.

There are two rounds of reads. The first reads the objects that the change names and asks which permissions the
requester lacks. The second reads what the rules need beyond that. The evidence of the first round determines the
second, so nothing is read that no rule uses. The reads of a round run concurrently, unless one depends on another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tenure.admission.reader import Context
from tenure.domain.admission.authority import hands_over, membership_grants, other_holders
from tenure.domain.admission.evidence import Evidence, MembershipEvidence, OrganizationEvidence
from tenure.domain.admission.invitation_rules import newly_asks_for_letters
from tenure.domain.admission.key_evidence import ApiKeyEvidence
from tenure.domain.admission.organization_rules import newly_suspended
from tenure.domain.admission.request import Change
from tenure.domain.conditions import ready_reason
from tenure.domain.invitations.mail import mail_runs
from tenure.domain.lease import Lease
from tenure.domain.permissions import revocation
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.roles import Role
from tenure.kube.leases import read_lease
from tenure.kube.names import MAIL_LEASE

T = TypeVar("T")

_HOLDERS = ("spec.membership", "status.issued.membership", "status.previous.issued.membership")
"""The fields that name the Membership of a key and of its tokens."""


async def gather(context: Context, change: Change[Any]) -> Evidence[Any]:
    """Read the evidence for the decision about a change.

    Nothing is read for an update that changes nothing, such as a storage migration.

    Raises:
        ApiError: the API server didn't answer, or rejected a read.
    """
    return await _GATHERERS[type(change.subject)](context, change)


async def gather_organization(context: Context, change: Change[Organization]) -> OrganizationEvidence:
    """Read the evidence for the decision about an Organization."""
    now = context.now()
    is_new = change.old is None
    suspended = newly_suspended(change)
    missing_deletion, present, owners, not_members, mail = await asyncio.gather(
        context.missing_deletion(change),
        _if(is_new, lambda: context.cluster.list_in(Organization, change.namespace)),
        _if(bool(suspended), lambda: _owners(context, change.namespace)),
        _if(bool(suspended), lambda: _not_members(context, change.namespace, suspended)),
        _if(newly_asks_for_letters(change), lambda: _mail_runs(context)),
    )
    return OrganizationEvidence(
        change=change,
        now=now,
        installation=context.installation,
        missing_deletion=missing_deletion,
        present=present,
        owners=owners,
        not_members=not_members,
        mail_runs=mail,
        system_namespace=context.system_namespace,
    )


async def gather_membership(context: Context, change: Change[Membership]) -> MembershipEvidence:
    """Read the evidence for the decision about a Membership."""
    # Taken before the Lease and the list are read, so the list shows every write that was allowed under a Lease that
    # has expired by then.
    now = context.now()
    if not change.matters:
        return MembershipEvidence(
            change=change, now=now, missing_deletion=(), missing_grants=(), organization=None, issuer=None
        )
    organization, missing_grants, missing_deletion = await asyncio.gather(
        _if(
            not change.only_metadata,
            lambda: context.find(Organization, change.namespace, change.subject.spec.organization),
        ),
        context.missing(change.requester, membership_grants(change)),
        context.missing_deletion(change),
    )
    evidence = MembershipEvidence(
        change=change,
        now=now,
        installation=context.installation,
        missing_deletion=missing_deletion,
        missing_grants=missing_grants,
        organization=organization,
        issuer=organization,
    )
    namesakes, keys, number, evidence = await asyncio.gather(
        _if(change.old is None, lambda: _namesakes(context, change.subject)),
        _if(evidence.asks_for_keys, lambda: _keys_at_stake(context, change)),
        _if(evidence.takes_owner, lambda: _service_account_keys(context, change.namespace)),
        _with_owners(context, evidence),
    )
    return replace(evidence, namesakes=namesakes, keys=keys, service_account_keys=number)


async def gather_api_key(context: Context, change: Change[ApiKey]) -> ApiKeyEvidence:
    """Read the evidence for the decision about an ApiKey."""
    now = context.now()
    if not change.matters:
        return ApiKeyEvidence(change=change, now=now, missing_deletion=(), membership=None, organization=None)
    (membership, organization), former, others, missing_deletion = await asyncio.gather(
        _holder(context, change),
        _former_holder(context, change),
        _other_holders(context, change),
        context.missing_deletion(change),
    )
    evidence = await _with_rights(
        context,
        ApiKeyEvidence(
            change=change,
            now=now,
            installation=context.installation,
            missing_deletion=missing_deletion,
            membership=membership,
            former=former,
            others=others,
            organization=organization,
        ),
    )
    if membership is None or not evidence.asks_for_siblings:
        return evidence
    return replace(evidence, siblings=await _keys_of(context, membership))


_GATHERERS: Mapping[type[Resource], Callable[[Context, Change[Any]], Awaitable[Evidence[Any]]]] = {
    Organization: gather_organization,
    Membership: gather_membership,
    ApiKey: gather_api_key,
}


def lease_name(namespace: str) -> str:
    """Return the name of the owners' Lease of the organization in a namespace."""
    return f"tenure-owners-{namespace}"


async def _if(is_needed: bool, fetch: Callable[[], Awaitable[T]]) -> T | None:  # noqa: FBT001
    return await fetch() if is_needed else None


async def _with_owners(context: Context, evidence: MembershipEvidence) -> MembershipEvidence:
    """Read the Lease, then the Owners, then, if no Owner would remain, whether the namespace is terminating.

    Listing the Owners alone isn't enough, because two demotions at the same moment would each see the other Owner, and
    two first Owners would each see none.
    The Lease is read before the list. If it can later be taken with the resourceVersion that was read, no other change
    was allowed in between.
    """
    namespace = evidence.change.namespace
    if not evidence.asks_for_owners and not evidence.asks_for_first_owner:
        return evidence
    lease: Lease | None = await read_lease(context.cluster, context.system_namespace, lease_name(namespace))
    evidence = replace(evidence, lease=lease, owners=await _owners(context, namespace))
    if evidence.asks_for_first_owner or evidence.remaining_owners:
        return evidence
    return replace(evidence, namespace_terminating=await _is_terminating(context, namespace))


async def _with_rights(context: Context, evidence: ApiKeyEvidence) -> ApiKeyEvidence:
    """Ask which permissions the requester lacks, starting with the right to revoke if that one is enough."""
    change = evidence.change
    if change.old is not None and evidence.asks_for_revocation:
        missing = await context.missing(change.requester, [revocation(change.old)])
        evidence = replace(evidence, may_revoke=not missing)
    if not evidence.asks_for_grants:
        return evidence
    return replace(evidence, missing_grants=await context.missing(change.requester, evidence.grants))


async def _holder(context: Context, change: Change[ApiKey]) -> tuple[Membership | None, Organization | None]:
    """Read the Membership that a key names and its Organization.

    Without such a Membership, the Organization is the one in force in the namespace.
    """
    membership = await context.find(Membership, change.namespace, change.subject.spec.membership)
    if membership is None:
        return None, await context.organization_in_force(change.namespace)
    return membership, await context.find(Organization, change.namespace, membership.spec.organization)


async def _former_holder(context: Context, change: Change[ApiKey]) -> Membership | None:
    """Read the Membership that a key named before a hand-over."""
    if change.old is None or not hands_over(change):
        return None
    return await context.find(Membership, change.namespace, change.old.spec.membership)


async def _other_holders(context: Context, change: Change[ApiKey]) -> Mapping[str, Membership | None]:
    """Read the Memberships that a key's tokens were issued under, apart from those that the key names."""
    names = sorted(other_holders(change))
    found = await asyncio.gather(*(context.find(Membership, change.namespace, name) for name in names))
    return dict(zip(names, found, strict=True))


async def _namesakes(context: Context, member: Membership) -> Sequence[Membership]:
    """List the Memberships of a subject. No field selector can compare names without their case."""
    members = await context.cluster.list_in(Membership, member.namespace)
    return [one for one in members if one.spec.subject.folded == member.spec.subject.folded]


async def _not_members(context: Context, namespace: str, names: Sequence[str]) -> Sequence[str]:
    """Return those of the names that aren't Memberships."""
    found = await asyncio.gather(*(context.find(Membership, namespace, name) for name in names))
    return [name for name, member in zip(names, found, strict=True) if member is None]


async def _mail_runs(context: Context) -> bool:
    lease = await read_lease(context.cluster, context.system_namespace, MAIL_LEASE)
    return mail_runs(lease, context.now())


async def _keys_of(context: Context, member: Membership) -> Sequence[ApiKey]:
    return await _keys_by(context, member, "spec.membership")


async def _keys_at_stake(context: Context, change: Change[Membership]) -> Sequence[ApiKey]:
    """List the keys that name a member, and those with a token of the member that were handed over.

    Of a member who is created, only the keys that name the Membership matter.
    """
    if change.old is None:
        return await _keys_of(context, change.subject)
    found = await asyncio.gather(*(_keys_by(context, change.old, field) for field in _HOLDERS))
    return list({key.metadata.uid: key for keys in found for key in keys}.values())


async def _keys_by(context: Context, member: Membership, field: str) -> Sequence[ApiKey]:
    return await context.cluster.list_in(ApiKey, member.namespace, selector=f"{field}={member.name}")


async def _owners(context: Context, namespace: str) -> Sequence[Membership]:
    return await context.cluster.list_in(Membership, namespace, selector=f"spec.role={Role.OWNER}")


async def _service_account_keys(context: Context, namespace: str) -> int:
    """Count the working keys of service accounts in a namespace."""
    selector = f"status.subjectKind={SubjectKind.SERVICE_ACCOUNT}"
    keys = await context.cluster.list_in(ApiKey, namespace, selector=selector)
    return sum(ready_reason(key.status.conditions) == Reason.ISSUED for key in keys)


async def _is_terminating(context: Context, namespace: str) -> bool:
    body = await context.cluster.read(f"/api/v1/namespaces/{namespace}")
    return body["metadata"].get("deletionTimestamp") is not None
