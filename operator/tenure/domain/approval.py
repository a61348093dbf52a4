"""Decides which Membership a key without a token may be issued under. A key never passes to the next holder of a name.

A key belongs to the Membership that it was issued under or, if it never was, to the first one that it waited for. The
name isn't enough, because a Membership may be deleted and created again for somebody else. A person's key that waits is
also approved only for the role of that time, because a role change revokes it like a key with a token. A changed
`spec.membership` begins anew: the key then belongs to the first Membership of that name.
"""

from datetime import timedelta

from tenure.domain.resources import ApiKey, Membership
from tenure.domain.resources.stamp import Approval
from tenure.domain.validity import follows_generation

_BEFOREHAND = timedelta(hours=1)
"""Time that an ApiKey may be created before its first Membership. A commit or a restore takes less. An older one may
have belonged to a former holder of the name while no status remembered that, for example before a restore."""


def last_approval(api_key: ApiKey) -> Approval | None:
    """Return what a key was last approved for under the Membership that it names, or None if it never had that one."""
    kept, stamp = _own_approval(api_key), api_key.status.issued
    if stamp is None or api_key.is_handed_over:
        return kept
    if kept is not None:
        # An older version of Tenure may have issued a token since.
        return kept.model_copy(update={"revision": max(kept.revision, stamp.revision)})
    return Approval(
        membership=api_key.holder,
        membership_uid=stamp.membership_uid,
        membership_generation=stamp.membership_generation,
        revision=stamp.revision,
    )


def _own_approval(api_key: ApiKey) -> Approval | None:
    """Return the approval that the status remembers, unless the key has been handed over to another member since."""
    kept = api_key.status.approval
    if kept is None or kept.membership == api_key.spec.membership:
        return kept
    # An older version of Tenure remembers no name, and lets no key be handed over.
    return kept if kept.membership is None and not api_key.is_handed_over else None


def _has_changed_hands(api_key: ApiKey) -> bool:
    """Return whether the key had another Membership before, so that handing it over approved the present one."""
    kept = api_key.status.approval
    return api_key.is_handed_over or (kept is not None and kept.membership not in (None, api_key.spec.membership))


def belongs_to(api_key: ApiKey, membership: Membership) -> bool:
    """Return whether a key may be issued under this very Membership, whatever its role is."""
    approval, born = last_approval(api_key), api_key.metadata.creation_timestamp
    if approval is None:
        return _has_changed_hands(api_key) or born + _BEFOREHAND >= membership.metadata.creation_timestamp
    return (
        approval.membership_uid == membership.metadata.uid
        or api_key.revision > approval.revision
        or born > membership.metadata.creation_timestamp
    )


def is_approved(api_key: ApiKey, membership: Membership) -> bool:
    """Return whether a key that belongs to this Membership may be issued under its present role."""
    approval = last_approval(api_key)
    if approval is None or approval.membership_uid != membership.metadata.uid:
        return True
    if not follows_generation(api_key, membership):
        return True
    return (
        approval.membership_generation == membership.metadata.generation
        or api_key.revision > approval.revision
        or api_key.spec.for_role is membership.spec.role
    )


def kept_approval(api_key: ApiKey, membership: Membership | None) -> Approval | None:
    """Return what the status of a key without a token has to remember. None if its stamp tells it."""
    if membership is None or membership.metadata.deleting:
        return api_key.status.approval
    present = Approval(
        membership=membership.name,
        membership_uid=membership.metadata.uid,
        membership_generation=membership.metadata.generation,
        revision=api_key.revision,
    )
    last = last_approval(api_key)
    if not belongs_to(api_key, membership):
        # An ApiKey that is too old for its first Membership belongs to none, until its revision is raised.
        return api_key.status.approval if last else present.model_copy(update={"membership_uid": ""})
    if not is_approved(api_key, membership) or last == present:
        return api_key.status.approval
    return present
