"""Reconciles the RoleBindings and Roles of members, in a queue of their own.

Tenure revokes access immediately. It grants access only once a burst of changes is over.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from tenure.controller.access.former_readers import PATIENCE, await_denial, exposed
from tenure.controller.access.own_secrets import OwnKeys
from tenure.controller.access.writer import Granting
from tenure.controller.blocked import ObstructedError
from tenure.controller.cache import Cache
from tenure.controller.informer import Observer
from tenure.controller.lanes import Lane
from tenure.controller.queue import Item, WorkQueue
from tenure.controller.refs import Change, Ref, ref_of
from tenure.domain.access.bindings import (
    BindingState,
    BoundKind,
    Desired,
    content_text,
    own_keys_holder,
    role_addresses,
    role_bindings,
)
from tenure.domain.conditions import is_ready
from tenure.domain.installation import Installation, KubernetesAccess
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.views import former_holders, reader_of
from tenure.errors import ForbiddenError
from tenure.kube import bindings as rbac
from tenure.kube.cluster import Cluster

log = logging.getLogger("tenure.reconcile")

WORKERS = 4
RESERVED = 1
"""Number of workers that only revoke access."""
_ALL_OF_A_NAMESPACE = ""


class Bindings(Observer):
    """Reconciles what members may do in Kubernetes.

    Its queue has two sorts of items. A Membership is enqueued for the Role and the RoleBinding of its own keys. An
    Organization with an empty name is enqueued for the RoleBindings of all roles in its namespace.
    """

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        objects: WorkQueue,
        *,
        installation: Installation,
        namespaces: Sequence[str],
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._objects = objects
        self._installation = installation
        self._access = installation.kubernetes_access
        self._places: Sequence[str | None] = namespaces or (None,)
        self._granting = Granting(cluster, self._doubt)
        self._known = self._granting.known
        self._own_keys = OwnKeys(cache, self._granting, installation, now)
        self._problems: dict[str, dict[Ref, BindingState]] = {}
        self._told: dict[str, BindingState] = {}
        self._listed: set[str | None] = set()
        self._listing = asyncio.Lock()
        self.queue = WorkQueue()

    async def fill(self) -> None:
        """List the Roles and RoleBindings into the cache. A missing right is logged and not raised."""
        if self._access is KubernetesAccess.NONE:
            return
        for place in self._places:
            try:
                await self._list(place)
            except ForbiddenError as error:
                log.warning("The members' RoleBindings can't be listed: %s", error)

    async def _list(self, place: str | None) -> None:
        kinds = BoundKind if self._access is KubernetesAccess.ROLES_AND_KEYS else (BoundKind.ROLE_BINDING,)
        try:
            for kind in kinds:
                self._known.take_in(kind, place, *await rbac.list_held(self._cluster, kind, place))
        except ForbiddenError:
            self._listed.discard(place)
            raise
        self._listed.add(place)

    async def reconcile(self, item: Item) -> None:
        """Create, update or delete the Roles and RoleBindings that an item is enqueued for.

        Raises:
            ObstructedError: a person has to act first. It is also reported in the Organization's condition.
            ConflictError: an object changed in the meantime. Try again.
        """
        # A sweep enqueues all members at once. Items that need no write would otherwise hold up the keys.
        await asyncio.sleep(0)
        try:
            if item.ref.resource is Organization:
                await self._reconcile_roles(item.ref.namespace)
            else:
                await self._own_keys.reconcile(item.ref)
        except ObstructedError as error:
            self._note(item.ref, BindingState(error.reason, str(error)))
            raise
        self._note(item.ref, None)

    def lead(self) -> None:
        """Start reconciling as the leader, and enqueue everything.

        Another replica wrote until now, so the objects are listed again before the next token is issued.
        """
        self._listed.clear()
        self.check_all()

    def check_all(self) -> None:
        """Enqueue all Organizations and Memberships, and the owners of all cached objects, which may be deleted."""
        if self._access is KubernetesAccess.NONE:
            return
        for known in self._cache.all():
            if isinstance(known, Organization):
                self.queue.add(_roles_of(known.namespace))
            elif isinstance(known, Membership):
                self.queue.add(ref_of(known))
        for address, observed in self._known.objects.items():
            if observed.owner is not None and observed.owner[0] == Organization.kind:
                self.queue.add(_roles_of(address.namespace))
            elif observed.owner is not None:
                self.queue.add(Ref(Membership, address.namespace, own_keys_holder(address)))

    async def _reconcile_roles(self, namespace: str) -> None:
        organization = self._cache.organization_in_force(namespace)
        if organization is None or organization.metadata.deleting:
            await self._granting.remove(role_addresses(namespace))
            return
        members = [
            member
            for member in self._cache.memberships(namespace)
            if member.spec.organization == organization.name
            and not member.metadata.deleting
            and self._cache.displacing(member) is None
        ]
        desired = role_bindings(organization, members, self._installation)
        # Bindings that lose people come first, so a person whose role changes has neither role for a moment, not both.
        await self._granting.bring_all(sorted(desired, key=self._gains))

    def _gains(self, desired: Desired) -> bool:
        observed = self._known.objects.get(desired.address)
        return observed is None or len(observed.text) < len(content_text(desired.content))

    async def close(self, key: ApiKey, recipient: Membership, *, is_known: bool) -> None:
        """Revoke the access of all members but the recipient to a Secret's name before a new token is stored under it.

        Then the API server is asked whether it denies a former holder the Secret, because it caches Roles. Set
        `is_known` if it didn't at the last attempt, so that this one doesn't wait for it.

        Raises:
            ObstructedError: another member keeps the access until a person acts.
        """
        if self._access is KubernetesAccess.NONE:
            return
        try:
            await self._ensure_listed(key.namespace)
        except ForbiddenError as error:
            if self._access is KubernetesAccess.ROLES:
                return  # It gives no access to Secrets, and can't find bindings that RolesAndKeys left.
            raise exposed(
                f"Give the controller its rights, or start it with --kubernetes-access=Roles. ({error})"
            ) from error
        try:
            await self._own_keys.cede(key, recipient)
        except ObstructedError as error:
            raise exposed(str(error)) from error
        if self._access is KubernetesAccess.ROLES_AND_KEYS:
            for username in self.former_readers(key, recipient):
                await await_denial(self._cluster, key, username, patience=0.0 if is_known else PATIENCE)

    def former_readers(self, key: ApiKey, recipient: Membership) -> set[str]:
        """The Kubernetes names of the people other than the recipient who got the present or the former token."""
        members = (self._cache.get(Membership, key.namespace, name) for name in former_holders(key) - {recipient.name})
        others = {
            self._installation.username(member.spec.subject.name) for member in members if member and member.is_person
        }
        # A service account's name is no name of Kubernetes', so it may be that of a person.
        return others - ({self._installation.username(recipient.spec.subject.name)} if recipient.is_person else set())

    async def _ensure_listed(self, namespace: str) -> None:
        place = namespace if namespace in self._places else None
        async with self._listing:
            if place not in self._listed:
                await self._list(place)
                self.check_all()

    def _doubt(self, namespace: str) -> None:
        """Have objects listed again before the next token, because a write without an answer may be stored."""
        self._listed.discard(namespace if namespace in self._places else None)

    def _note(self, ref: Ref, problem: BindingState | None) -> None:
        """Record a problem for the Organization's condition. None means that there is none any more."""
        problems = self._problems.get(ref.namespace, {})
        problems.pop(ref, None)
        if problem is not None:
            problems[ref] = problem
        if problems:
            self._problems[ref.namespace] = problems
        else:
            self._problems.pop(ref.namespace, None)
        organizations = self._cache.organizations(ref.namespace)
        if not organizations:
            self._told.pop(ref.namespace, None)
            return
        state = next(iter(problems.values()), BindingState())
        if self._told.get(ref.namespace) != state:
            self._told[ref.namespace] = state
            for organization in organizations:
                self._objects.add(ref_of(organization))

    def state(self, namespace: str) -> BindingState | None:
        """The latest state of the members' access in a namespace, or None before the first reconciliation."""
        return self._told.get(namespace)

    def changed(self, change: Change, *, ours: bool) -> None:
        """Enqueue the members and roles whose access a change affects, also if Tenure made the change."""
        del ours
        if self._access is not KubernetesAccess.NONE:
            self._spread(change)

    def _spread(self, change: Change) -> None:
        ref, old, new = change.ref, change.old, change.new
        match old, new:
            case (ApiKey() | None, ApiKey() | None):
                for key in (old, new):
                    if isinstance(key, ApiKey) and _opens(old) != _opens(new):
                        member = Ref(Membership, ref.namespace, key.holder)
                        self._queue(member, loses=_opens(old) is not None)
            case (Membership() | None, Membership() | None):
                if _tenure(old) != _tenure(new):
                    self._queue(_roles_of(ref.namespace), loses=old is not None)
                    self._queue(ref, loses=old is not None)
                    for one in (old, new):
                        for namesake in self._cache.namesakes(one) if isinstance(one, Membership) else ():
                            self._queue(ref_of(namesake), loses=True)
            case _:
                if _tenure(old) != _tenure(new):
                    self._queue(_roles_of(ref.namespace), loses=True)
                    for member_ref in map(ref_of, self._cache.memberships(ref.namespace)):
                        self._queue(member_ref, loses=True)

    def _queue(self, ref: Ref, *, loses: bool) -> None:
        if loses:
            self.queue.add(ref, Lane.ENDS)
        else:
            self.queue.settle(ref)


def _roles_of(namespace: str) -> Ref:
    return Ref(Organization, namespace, _ALL_OF_A_NAMESPACE)


def _tenure(resource: object) -> tuple[object, ...] | None:
    """The fields that the bindings of an Organization or a Membership depend on."""
    if not isinstance(resource, Organization | Membership):
        return None
    metadata = resource.metadata
    accepted = resource.has_accepted if isinstance(resource, Membership) else resource.status.acceptance_since
    return metadata.uid, metadata.generation, metadata.deleting, accepted


def _opens(key: object) -> tuple[str | None, str | None] | None:
    """The uid of the Secret that a member may read because of a key, and the member. None if there is none."""
    if not isinstance(key, ApiKey) or key.metadata.deleting or not is_ready(key.status.conditions):
        return None
    return key.status.secret_uid, reader_of(key)
