"""Reconcile what people read: a Role and a RoleBinding for the Secrets of each person's own keys."""

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
    Wanted,
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


class OwnKeys:
    """The Roles and RoleBindings of own keys; where people aren't given them any more, what is left of them goes."""

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
        """The Secrets' names in the writes under way: they may open them before it is known."""

    async def reconcile(self, ref: Ref) -> None:
        """Bring the Role and the RoleBinding of a Membership to what they should be.

        Raises:
            ObstructedError: somebody has to act first.
            ConflictError: one of them had changed; try again.
        """
        lock = self._locks.setdefault(ref, asyncio.Lock())
        async with lock:
            member = self._cache.get(Membership, ref.namespace, ref.name)
            keys = self._readable(member)
            role, binding = own_key_addresses(ref.namespace, ref.name)
            if not self._gives:
                # A Role by itself gives nothing, and the right to remove it isn't there any more.
                await self._granting.remove([binding])
            elif member is None or not keys:
                # Not left without rules: whoever may bind it then would read the keys of later.
                await self._granting.remove([binding, role])
            else:
                await self._give(ref, member, keys)

    async def cede(self, key: ApiKey) -> None:
        """Close the name of a key's Secret to everybody but the key's own holder.

        Raises:
            ObstructedError: it can't be closed until somebody acts.
            ConflictError: what opens it had changed; try again.
        """
        for ref in {*self._openers(key), *self._may_open(key)}:
            await self.reconcile(ref)
        for ref in self._openers(key):
            role, _ = own_key_addresses(ref.namespace, ref.name)
            raise ObstructedError(
                Reason.BINDING_CONFLICT,
                f"{role} lets another user read Secret {key.name}, and it isn't Tenure's. Delete it, and "
                "the RoleBinding of the same name.",
            )

    async def _give(self, ref: Ref, member: Membership, keys: list[ApiKey]) -> None:
        wanted = own_keys(member, keys, self._installation)
        role, binding = own_key_addresses(ref.namespace, ref.name)
        if any(map(self._has_changed_hands, wanted)):
            # The binding goes first, so that nobody whom it names reads what the Role opens next.
            await self._granting.remove([binding, role])
            await self._granting.refuse_foreign([binding, role])
        self._opening[ref] = frozenset(key.name for key in keys)
        try:
            await self._granting.bring_all(wanted)
        finally:
            del self._opening[ref]

    def _has_changed_hands(self, wanted: Wanted) -> bool:
        """Whether an object of this name is of another owner, or for other people."""
        held = self._granting.known.objects.get(wanted.address)
        if held is None:
            return False
        is_for_others = wanted.role is not None and held.text != content_text(wanted.content)
        return is_for_others or not held.serves(wanted)

    def _readable(self, member: Membership | None) -> list[ApiKey]:
        """The keys whose Secrets a person may read now."""
        cache, now = self._cache, self._now()
        if member is None or member.metadata.deleting or not member.is_person or cache.displacing(member) is not None:
            return []
        organization = cache.organization_in_force(member.namespace, member.spec.organization)
        return [
            key
            for key in cache.keys_of(member.namespace, member.name)
            if key.status.secret_uid is not None and validity(key, member, organization, now) is Verdict.VALID
        ]

    def _openers(self, key: ApiKey) -> Iterator[Ref]:
        """The Memberships whose objects open a key's Secret to another than the key's holder, as far as is known."""
        known = self._granting.known
        if not self._gives:  # Roles aren't listed then, so any binding may be to one that opens it.
            left = (address for address in known.in_namespace(key.namespace) if is_of_own_keys(address))
            yield from (_holder(address) for address in left if known.objects[address].owner is not None)
            return
        member = self._cache.get(Membership, key.namespace, key.spec.membership)
        for ref in map(_holder, filter(is_of_own_keys, known.opening(key.namespace, key.name))):
            if ref.name != key.spec.membership or member is None or not self._binds_only(member):
                yield ref

    def _may_open(self, key: ApiKey) -> Iterator[Ref]:
        """The Memberships whose objects are being written, and would open a key's Secret."""
        for ref, names in self._opening.items():
            if ref.namespace == key.namespace and key.name in names:
                yield ref

    def _binds_only(self, member: Membership) -> bool:
        """Whether a Membership's RoleBinding names this very person and nobody else, or isn't there."""
        _, binding = own_keys(member, [], self._installation)
        held = self._granting.known.objects.get(binding.address)
        return member.is_person and (held is None or held.text == content_text(binding.content))


def _holder(address: Address) -> Ref:
    return Ref(Membership, address.namespace, own_keys_holder(address))
