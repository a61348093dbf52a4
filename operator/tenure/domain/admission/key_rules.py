"""Checks the organization's rules for an ApiKey, and warns if a change revokes its token."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from tenure.domain.admission.request import Change
from tenure.domain.durations import parse_duration
from tenure.domain.installation import Installation
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.planning.obstacles import life_obstacle, quota_obstacle, rotation_obstacle
from tenure.domain.policy import MAX_IDLE_KEYS
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.base import format_time
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.roles import CAPABILITIES, Level
from tenure.domain.rotation import overlap_in_force
from tenure.domain.secret import RESERVED_PREFIXES, find_template_flaw, may_carry
from tenure.domain.usage.words import describe_former_use
from tenure.domain.validity import follows_generation
from tenure.domain.views import memberships_of


def template_refusals(change: Change[ApiKey], organization: Organization | None) -> Iterator[str]:
    """Refuse labels and annotations that the change adds, and that Kubernetes or the organization doesn't allow."""
    if change.new is None:
        return
    before = {} if change.old is None else _template(change.old)
    for place, entries in _template(change.new).items():
        for name, value in sorted(entries.items()):
            flaw = find_template_flaw(place, name, value) if before.get(place, {}).get(name) != value else None
            if flaw:
                # Tenure couldn't write the key's Secret with its next token.
                yield f"spec.secretTemplate.{place}.{name}: {flaw}."
    refused = sorted(
        f"{place}.{name}"
        for place, names in _template(change.new).items()
        for name in names
        if name not in before.get(place, {}) and not may_carry(name, organization)
    )
    if refused:
        given = (organization and organization.spec.keys and organization.spec.keys.secret_metadata_prefixes) or ()
        prefixes = [prefix for prefix in given if not prefix.startswith(RESERVED_PREFIXES)]
        allowed = f"names that start with {' or '.join(prefixes)}" if prefixes else "no names"
        yield (
            f"spec.secretTemplate.{', '.join(refused)}: the Organization allows {allowed} "
            "(spec.keys.secretMetadataPrefixes). Remove the other labels and annotations."
        )


def expiry_refusal(key: ApiKey, organization: Organization, now: datetime, installation: Installation) -> str | None:
    """Return why a new key would be valid for too long, or None.

    An expired key is no reason. A backup may contain one, and a tool that applies all files would stop at it.
    """
    obstacle = life_obstacle(key, installation.policy(organization), now)
    return None if obstacle is None or obstacle.reason is Reason.EXPIRED else f"spec: {obstacle.message}"


def rotation_refusal(
    change: Change[ApiKey], organization: Organization | None, installation: Installation
) -> str | None:
    """Return why a change may not take the rotation from a key that the organization asks for, or None if it may.

    A key that works keeps its token. So without this a holder could create a key that is rotated and then stop that.
    """
    old, new = change.old, change.new
    if old is None or new is None or organization is None:
        return None
    policy = installation.policy(organization)
    obstacle = rotation_obstacle(new, policy)
    if obstacle is None or rotation_obstacle(old, policy) is not None:  # A later rule lets older keys be changed.
        return None
    return f"spec.rotation.every: {obstacle.message}"


def expired_warning(change: Change[ApiKey], now: datetime) -> str | None:
    """Return the warning that a new key is expired already, or None."""
    new = change.new
    if change.old is not None or new is None or new.spec.expires_at is None or new.spec.expires_at > now:
        return None
    return (
        f"spec.expiresAt: {format_time(new.spec.expires_at)} is in the past, so {new.name} gets no token. To get one, "
        "delete the ApiKey and create it with a later time."
    )


def quota_refusal(
    key: ApiKey,
    membership: Membership,
    organization: Organization,
    *,
    siblings: Sequence[ApiKey],
    now: datetime,
    installation: Installation,
) -> str | None:
    """Return why a new key would exceed the quota, or None."""
    seen = ApiKeyObservation(
        api_key=key,
        membership=membership,
        organization=organization,
        siblings=siblings,
        now=now,
        installation=installation,
    )
    obstacle = quota_obstacle(seen, installation.policy(organization))
    return None if obstacle is None else f"spec.membership: {obstacle.message}"


def lifted_suspension_warning(change: Change[ApiKey]) -> str | None:
    """Return the warning that a change lifts a key's suspension, or None.

    A tool that replaces the whole object lifts a suspension that isn't in Git, for example `kubectl replace`.
    """
    old, new = change.old, change.new
    if old is None or new is None or not old.spec.suspended or new.spec.suspended:
        return None
    return f"spec.suspended: the suspension of {new.name} is lifted. It works again unless something else stops it."


def capabilities_warning(new: ApiKey, membership: Membership | None) -> str | None:
    """Return the warning that a new key is limited to capabilities that its member's role doesn't give, or None."""
    if membership is None:
        return None
    role = membership.spec.role
    useless = [name for name in new.spec.capabilities or () if CAPABILITIES[role][name] is Level.NONE]
    if not useless:
        return None
    return (
        f"spec.capabilities: the role {role} of {membership.name} gives no access to {', '.join(useless)}, so "
        f"{new.name} has none either."
    )


def approval_refusal(change: Change[ApiKey], membership: Membership | None) -> str | None:
    """Return why `forRole` can't be removed from a service account's key without a new token, or None if it can.

    A role change revokes the token of a key with `forRole`. While the operator is down nothing else records that, so
    without `forRole` the token would work again.
    """
    old, new = change.old, change.new
    if old is None or new is None or old.spec.for_role is None or new.spec.for_role is not None:
        return None
    # While a key is handed over, it may have tokens of a service account and of a person.
    kinds = {old.status.subject_kind, membership.spec.subject.kind if membership is not None else None}
    if memberships_of(old) != {old.spec.membership}:
        kinds.add(SubjectKind.SERVICE_ACCOUNT)  # The status has only the kind of the present token's member.
    if SubjectKind.SERVICE_ACCOUNT not in kinds or new.revision > old.revision:
        return None
    return (
        f"spec.forRole: {old.name} is a key of a service account, so to remove forRole you have to raise spec.revision "
        "in the same write. Otherwise a token that a role change revoked could work again. Run: kubectl patch "
        f"apikeys.tenure.dev {old.name} -n {old.namespace} --type merge -p "
        f'\'{{"spec":{{"forRole":null,"revision":{old.revision + 1}}}}}\''
    )


def idle_refusal(
    membership: Membership, organization: Organization, siblings: Sequence[ApiKey], installation: Installation
) -> str | None:
    """Return why holders may not create a key beside so many that don't work, or None.

    Keys that are expired, revoked or wait for another role don't count toward the quota, but each of them costs.
    """
    most = (installation.policy(organization).max_per_member or 0) + MAX_IDLE_KEYS
    present = sum(not key.metadata.deleting for key in siblings)
    if present < most:
        return None
    return (
        f"spec.membership: {membership.name} already has {present} ApiKeys, and at most {most} are allowed, including "
        "those that don't work. Delete those that you no longer need."
    )


def token_warning(change: Change[ApiKey], membership: Membership | None) -> str | None:
    """Return the warning that a change revokes the token of a working key, or None."""
    old, new = change.old, change.new
    if old is None or new is None or old.status.secret_uid is None or membership is None:
        return None
    token = f"the token {old.status.key_id} of {old.name} stops working immediately"
    former = old.status.previous
    if former is not None and new.revision > old.revision:
        use = describe_former_use(former)
        token = f"the tokens {old.status.key_id} and {former.key_id} of {old.name} stop working immediately"
        token += f" ({use})" if use else ""
    if new.revision > old.revision:
        return f"spec.revision: {token}, and Tenure issues a new one in the same Secret."
    if not _revokes_survivor(old, new, membership):
        return None
    if new.spec.for_role is membership.spec.role:
        return f"spec.forRole: {token}, and Tenure issues a new one in the same Secret."
    return f"spec.forRole: {token}. Tenure issues a new one once {membership.name} has the role {new.spec.for_role}."


def overlap_warning(
    change: Change[ApiKey], organization: Organization | None, installation: Installation
) -> str | None:
    """Return the warning that a limit makes the overlap of a rotation shorter than the key asks for, or None."""
    old, new = change.old, change.new
    asked = new.rotation.overlap if new is not None else None
    if new is None or organization is None or asked is None or (old is not None and old.rotation.overlap == asked):
        return None
    most = installation.policy(organization).max_overlap
    if most is None or parse_duration(asked) <= parse_duration(most):
        return None
    return (
        f"spec.rotation.overlap: {asked} is too long, so former tokens stay valid for {most} (maxOverlap). See "
        "status.policy of the Organization."
    )


def period_warning(change: Change[ApiKey], organization: Organization | None, installation: Installation) -> str | None:
    """Return the warning that the default overlap is as long as the time between two rotations, or None.

    An overlap of the key's own is shorter than its `every` by the schema.
    """
    old, new = change.old, change.new
    if new is None or organization is None or (old is not None and old.rotation == new.rotation):
        return None
    every = new.rotation.every
    overlap = overlap_in_force(new, organization, installation.policy(organization))
    if every is None or new.rotation.overlap is not None or overlap < parse_duration(every):
        return None
    return (
        f"spec.rotation.every: each rotation waits until the former token expires, because the organization's "
        f"keys.defaultOverlap isn't shorter than {every}. Set spec.rotation.overlap to a shorter time, for example 0s."
    )


def _revokes_survivor(old: ApiKey, new: ApiKey, membership: Membership) -> bool:
    """Return whether a key that survived a role change is approved for a role now, and so follows role changes."""
    stamp = old.status.issued
    if stamp is None or stamp.membership_generation == membership.metadata.generation:
        return False
    return follows_generation(new, membership) and not follows_generation(old, membership)


def _template(key: ApiKey) -> Mapping[str, Mapping[str, str]]:
    template = key.spec.secret_template
    if template is None:
        return {}
    return {"labels": template.labels or {}, "annotations": template.annotations or {}}
