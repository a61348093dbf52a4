"""What a change to one object means for others: who must be looked at, now or once things have settled."""

from collections.abc import Iterator
from dataclasses import dataclass

from tenure.controller.cache import Change, Mirror, Ref, ref_of
from tenure.domain.conditions import ready_reason
from tenure.domain.installation import DEFAULTS, Installation
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization, Resource


@dataclass(frozen=True)
class Effect:
    """An object to look at."""

    ref: Ref
    settled: bool = False
    """Only once a burst of changes is over: sums and lists in a status can wait, keys can't."""


def effects(change: Change, mirror: Mirror, installation: Installation = DEFAULTS) -> Iterator[Effect]:
    """Whom a change concerns besides the object itself."""
    match change.old, change.new:
        case (ApiKey() | None as old, ApiKey() | None as new):
            yield from _of_api_key(old, new, mirror, installation)
        case (Membership() | None as old, Membership() | None as new):
            yield from _of_membership(old, new, mirror)
        case (Organization() | None as old, Organization() | None as new):
            yield from _of_organization(old, new, mirror)


def _of_api_key(old: ApiKey | None, new: ApiKey | None, mirror: Mirror, installation: Installation) -> Iterator[Effect]:
    key = new or old
    if key is None or (old and new and _worth(old) == _worth(new)):
        return
    for member in {one.spec.membership for one in (old, new) if one}:
        yield Effect(Ref(Membership, key.namespace, member), settled=True)
    yield from _organizations(key, mirror)
    organization = mirror.organization_in_force(key.namespace)
    if old is not None and organization is not None and installation.policy(organization).max_per_member is not None:
        for sibling in mirror.keys_of(key.namespace, (old or key).spec.membership):
            if ready_reason(sibling.status.conditions) == Reason.QUOTA_EXCEEDED:
                yield Effect(ref_of(sibling))


def _of_membership(old: Membership | None, new: Membership | None, mirror: Mirror) -> Iterator[Effect]:
    member = new or old
    if member is None or (old and new and _tenure(old) == _tenure(new)):
        return
    yield from _organizations(member, mirror)
    for namesake in mirror.namesakes(member):
        yield Effect(ref_of(namesake))
        for key in mirror.keys_of(namesake.namespace, namesake.name):
            yield Effect(ref_of(key))
    if old and new and old.metadata.uid == new.metadata.uid and not new.metadata.deleting and not _is_recorded(new):
        return  # The Membership's own reconciliation records the role change first, and its write leads here again.
    for key in mirror.keys_of(member.namespace, member.name):
        yield Effect(ref_of(key))


def _of_organization(old: Organization | None, new: Organization | None, mirror: Mirror) -> Iterator[Effect]:
    organization = new or old
    if organization is None or (old and new and _rule(old) == _rule(new)):
        return
    for other in mirror.organizations(organization.namespace):
        yield Effect(ref_of(other))
    for member in mirror.memberships(organization.namespace):
        yield Effect(ref_of(member))
    for key in mirror.keys_in(organization.namespace):
        yield Effect(ref_of(key))


def _organizations(resource: Resource, mirror: Mirror) -> Iterator[Effect]:
    for organization in mirror.organizations(resource.namespace):
        yield Effect(ref_of(organization), settled=True)


def _worth(key: ApiKey) -> tuple[object, ...]:
    """What sums and lists elsewhere depend on."""
    status = key.status
    return (
        key.metadata.uid,
        key.metadata.deleting,
        key.spec,
        status.key_id,
        status.secret_uid,
        ready_reason(status.conditions),
    )


def _tenure(member: Membership) -> tuple[object, ...]:
    """What the member's keys and the organization depend on."""
    metadata = member.metadata
    return (
        metadata.uid,
        metadata.generation,
        metadata.deleting,
        _is_recorded(member),
        member.status.last_role_change,
    )


def _is_recorded(member: Membership) -> bool:
    return member.status.observed_generation == member.metadata.generation


def _rule(organization: Organization) -> tuple[object, ...]:
    """What members and keys depend on."""
    metadata = organization.metadata
    return metadata.uid, metadata.generation, metadata.deleting
