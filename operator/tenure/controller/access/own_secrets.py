"""Reconciles the Role and the RoleBinding with which each person reads the Secrets of their own keys."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from weakref import WeakValueDictionary

from tenure.controller.access.writer import Granting
from tenure.controller.blocked import ObstructedError
from tenure.controller.cache import Cache
from tenure.controller.refs import Ref
from tenure.domain.access.bindings import (
    Address,
    Desired,
    content_text,
    is_of_own_keys,
    own_key_addresses,
    own_keys,
    own_keys_holder,
)
from tenure.domain.installation import Installation, KubernetesAccess
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.validity import Verdict, validity
from tenure.domain.views import reader_of


class OwnKeys:
    """Maintains the Roles and RoleBindings for people's own keys.

    With `--kubernetes-access=Roles` people get none. Then it deletes the RoleBindings that `RolesAndKeys` left behind.
    """

    def __init__(
        self, cache: Cache, granting: Granting, installation: Installation, now: Callable[[], datetime]
    ) -> None:
        self._cache = cache
        self._granting = granting
        self._installation = installation
        self._now = now
        self._gives = installation.kubernetes_access is KubernetesAccess.ROLES_AND_KEYS
        self._locks = WeakValueDictionary[Ref, asyncio.Lock]()
        self._opening: dict[Ref, frozenset[str]] = {}
        """The names of the Secrets in the writes under way. A write may have effect before its answer is cached."""

    async def reconcile(self, ref: Ref) -> None:
        """Create, update or delete the Role and the RoleBinding of a Membership.

        Raises:
            ObstructedError: a person has to act first, e.g. because an object of the name isn't Tenure's.
            ConflictError: one of them changed in the meantime. Try again.
        """
        lock = self._locks.setdefault(ref, asyncio.Lock())
        async with lock:
            member = self._cache.get(Membership, ref.namespace, ref.name)
            keys = self._readable(member)
            role, binding = own_key_addresses(ref.namespace, ref.name)
            if not self._gives:
                # A Role without a binding gives no access, and the controller no longer has the right to delete it.
                await self._granting.remove([binding])
            elif member is None or not keys:
                # No empty Role is kept, because a user who may bind it could then read keys that are issued later.
                await self._granting.remove([binding, role])
            else:
                await self._give(ref, member, keys)

    async def cede(self, key: ApiKey, recipient: Membership) -> None:
        """Revoke the access of all members but the recipient to a key's Secret.

        Raises:
            ObstructedError: another user keeps the access until a person acts.
            ConflictError: a Role or RoleBinding changed in the meantime. Try again.
        """
        for ref in {*self._openers(key, recipient), *self._may_open(key)}:
            await self.reconcile(ref)
        for ref in self._openers(key, recipient):
            role, _ = own_key_addresses(ref.namespace, ref.name)
            raise ObstructedError(
                Reason.BINDING_CONFLICT,
                f"{role} lets another user read Secret {key.name}, and it isn't Tenure's. Delete it, and "
                "the RoleBinding of the same name.",
            )

    async def _give(self, ref: Ref, member: Membership, keys: list[ApiKey]) -> None:
        desired = own_keys(member, keys, self._installation)
        role, binding = own_key_addresses(ref.namespace, ref.name)
        if any(map(self._has_changed_hands, desired)):
            # The binding is deleted first, so that its subjects can't read the Secrets that the Role names next.
            await self._granting.remove([binding, role])
            await self._granting.refuse_foreign([binding, role])
        self._opening[ref] = frozenset(key.name for key in keys)
        try:
            await self._granting.bring_all(desired)
        finally:
            del self._opening[ref]

    def _has_changed_hands(self, desired: Desired) -> bool:
        """Whether the object at this address has another owner or role, or binds other people."""
        observed = self._granting.known.objects.get(desired.address)
        if observed is None:
            return False
        is_for_others = desired.role is not None and observed.text != content_text(desired.content)
        return is_for_others or not observed.serves(desired)

    def _readable(self, member: Membership | None) -> list[ApiKey]:
        """The keys whose Secrets the member may read now. Only a person may read any."""
        cache, now = self._cache, self._now()
        if member is None or member.metadata.deleting or not member.is_person or cache.displacing(member) is not None:
            return []
        organization = cache.organization_in_force(member.namespace, member.spec.organization)
        return [
            key
            for key in cache.keys_of(member.namespace, member.name)
            if reader_of(key) == member.name
            and key.status.secret_uid is not None
            and validity(key, member, organization, now) is Verdict.VALID
        ]

    def _openers(self, key: ApiKey, recipient: Membership) -> Iterator[Ref]:
        """The Memberships whose cached objects may give a user other than the recipient access to a key's Secret."""
        known = self._granting.known
        if not self._gives:  # Roles aren't listed then, so any binding may be to one that names it.
            left = (address for address in known.in_namespace(key.namespace) if is_of_own_keys(address))
            yield from (_holder(address) for address in left if known.objects[address].owner is not None)
            return
        for ref in map(_holder, filter(is_of_own_keys, known.opening(key.namespace, key.name))):
            if ref.name != recipient.name or not self._binds_only(recipient):
                yield ref

    def _may_open(self, key: ApiKey) -> Iterator[Ref]:
        """The Memberships whose objects are being written and would give access to a key's Secret."""
        for ref, names in self._opening.items():
            if ref.namespace == key.namespace and key.name in names:
                yield ref

    def _binds_only(self, member: Membership) -> bool:
        """Whether a Membership's RoleBinding names only this person, or doesn't exist."""
        _, binding = own_keys(member, [], self._installation)
        observed = self._granting.known.objects.get(binding.address)
        return member.is_person and (observed is None or observed.text == content_text(binding.content))


def _holder(address: Address) -> Ref:
    return Ref(Membership, address.namespace, own_keys_holder(address))
