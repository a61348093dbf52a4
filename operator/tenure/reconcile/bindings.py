"""Reconcile RoleBindings and Roles: what members may do in Kubernetes, in a queue apart from the keys'.

What somebody loses goes at once; what somebody gains waits until a burst of changes is over.
"""

import asyncio
from collections.abc import Sequence

from tenure.domain.bindings import (
    Address,
    BindingState,
    BoundKind,
    RoleRef,
    Wanted,
    content_text,
    own_key_addresses,
    own_keys,
    own_keys_holder,
    role_addresses,
    role_bindings,
)
from tenure.domain.conditions import is_ready
from tenure.domain.installation import KubernetesAccess
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.validity import Verdict, validity
from tenure.errors import AlreadyExistsError, ConflictError, ForbiddenError, ObjectNotFoundError, RejectedError
from tenure.kube import bindings as rbac
from tenure.reconcile.context import Context, log
from tenure.reconcile.delivery import ObstructedError
from tenure.reconcile.granted import Granted
from tenure.reconcile.mirror import Change, Ref, ref_of
from tenure.reconcile.queue import Item, WorkQueue

WORKERS = 4
_ALL_OF_A_NAMESPACE = ""


class Bindings:
    """The reconciliation of what members may do in Kubernetes.

    A Membership stands for the Role and RoleBinding of its own keys, an Organization without a name for the
    RoleBindings of its namespace.
    """

    def __init__(self, context: Context, namespaces: Sequence[str]) -> None:
        self._context = context
        self._access = context.installation.kubernetes_access
        self._places: Sequence[str | None] = namespaces or (None,)
        self._known = Granted()
        self._problems: dict[str, dict[Ref, BindingState]] = {}
        self._told: dict[str, BindingState] = {}
        self._is_listed = False
        self._listing = asyncio.Lock()
        self.queue = WorkQueue()
        if self._access is not KubernetesAccess.NONE:
            context.changed = self._spread
            context.before_issue = self._cede
            context.binding_state = self._told.get

    async def fill(self) -> None:
        """List what there is, and have everything compared with it."""
        if self._access is KubernetesAccess.NONE:
            return
        kinds = BoundKind if self._access is KubernetesAccess.ROLES_AND_KEYS else (BoundKind.ROLE_BINDING,)
        try:
            for kind in kinds:
                for place in self._places:
                    self._known.take_in(kind, place, *await rbac.list_held(self._context.cluster, kind, place))
        except ForbiddenError as error:
            # No reason to issue no keys: each organization's own reconciliation meets the same, and says so.
            log.warning("what members may do in Kubernetes can't be listed: %s", error)
        self._is_listed = True
        if not self._context.standing_by:
            self.check_all()

    async def reconcile(self, item: Item) -> None:
        """Bring the objects that an item stands for to what they should be."""
        await asyncio.sleep(0)  # A sweep asks for everybody at once, and what needs no write would hold up the keys.
        try:
            if item.ref.resource is Organization:
                await self._reconcile_roles(item.ref.namespace)
            elif self._access is KubernetesAccess.ROLES_AND_KEYS:
                await self._reconcile_own_keys(item.ref)
        except ObstructedError as error:
            self._note(item.ref, BindingState(error.reason, str(error)))
            raise
        self._note(item.ref, None)

    def lead(self) -> None:
        """Begin work: what was listed while another replica wrote is listed again before it is relied on."""
        self._is_listed = False
        self.check_all()

    def check_all(self) -> None:
        """Look at all who should have something, and at what belongs to nobody any more."""
        if self._access is KubernetesAccess.NONE:
            return
        mirror = self._context.mirror
        for known in mirror.all():
            if isinstance(known, Organization):
                self.queue.add(_roles_of(known.namespace))
            elif isinstance(known, Membership):
                self.queue.add(ref_of(known))
        for address, held in self._known.objects.items():
            if held.owner is not None and held.owner[0] == Organization.kind:
                self.queue.add(_roles_of(address.namespace))
            elif held.owner is not None:
                self.queue.add(Ref(Membership, address.namespace, own_keys_holder(address)))

    async def _reconcile_roles(self, namespace: str) -> None:
        mirror = self._context.mirror
        organization = mirror.organization_in_force(namespace)
        if organization is None or organization.metadata.deleting:
            await self._remove(role_addresses(namespace))
            return
        members = [
            member
            for member in mirror.memberships(namespace)
            if member.spec.organization == organization.name
            and not member.metadata.deleting
            and mirror.displacing(member) is None
        ]
        wanted = role_bindings(organization, members, self._context.installation)
        # What shrinks first, so that a person who moves holds neither role for a moment, rather than both.
        await self._bring_all(sorted(wanted, key=self._gains))

    async def _reconcile_own_keys(self, ref: Ref) -> None:
        mirror = self._context.mirror
        member = mirror.get(Membership, ref.namespace, ref.name)
        addresses = own_key_addresses(ref.namespace, ref.name)
        if member is None or member.metadata.deleting or not member.is_person:
            await self._remove(addresses)
            return
        keys = self._readable_keys(member)
        if not keys and addresses[0] not in self._known.objects:
            return
        await self._bring_all(own_keys(member, keys, self._context.installation))

    def _readable_keys(self, member: Membership) -> list[ApiKey]:
        mirror, now = self._context.mirror, self._context.now()
        organization = mirror.organization_in_force(member.namespace, member.spec.organization)
        if mirror.displacing(member) is not None:
            return []
        return [
            key
            for key in mirror.keys_of(member.namespace, member.name)
            if key.status.secret_uid is not None and validity(key, member, organization, now) is Verdict.VALID
        ]

    def _gains(self, wanted: Wanted) -> bool:
        held = self._known.objects.get(wanted.address)
        return held is None or len(held.text) < len(content_text(wanted.content))

    async def _bring_all(self, wanted: Sequence[Wanted]) -> None:
        """Bring each; one that stands in the way holds up no other."""
        obstacles = []
        for one in wanted:
            try:
                await self._bring(one)
            except ObstructedError as error:
                obstacles.append(error)
        if obstacles:
            raise obstacles[0]

    async def _bring(self, wanted: Wanted) -> None:
        """Create an object, or write its content anew; another's is left alone."""
        cluster, address = self._context.cluster, wanted.address
        held = self._known.objects.get(address)
        try:
            if held is not None and not held.serves(wanted):
                await self._remove([address])  # Of a former owner of the same name.
                held = None
            if held is None:
                await self._refuse_missing(wanted)
                self._known.put(address, await rbac.create(cluster, wanted))
            elif held.text != content_text(wanted.content):
                self._known.put(address, await rbac.replace_content(cluster, wanted, held))
        except AlreadyExistsError as error:
            await self._adopt(wanted)
            raise ConflictError(f"{address} exists: it is compared again") from error
        except (ConflictError, ObjectNotFoundError) as error:
            self._known.drop(address)
            raise ConflictError(f"{address} changed: it is read again") from error
        except (ForbiddenError, RejectedError) as error:
            raise ObstructedError(
                Reason.BINDING_FORBIDDEN, f"{address} can't be written: {error}; grant the controller its rights"
            ) from error

    async def _adopt(self, wanted: Wanted) -> None:
        """Read what stands in the way: ours is compared with what is wanted, another's is left alone."""
        held = await rbac.get_held(self._context.cluster, wanted.address)
        if held is None:
            return
        if held.owner is None or held.owner[0] != wanted.owner.kind:
            raise ObstructedError(
                Reason.BINDING_CONFLICT,
                f"{wanted.address} exists and isn't Tenure's, so it is left alone; delete or rename it",
            )
        self._known.put(wanted.address, held)

    async def _refuse_missing(self, wanted: Wanted) -> None:
        match wanted.role:
            case RoleRef("ClusterRole", name) if not await rbac.has_cluster_role(self._context.cluster, name):
                raise ObstructedError(
                    Reason.CLUSTER_ROLE_MISSING, f"ClusterRole {name} is missing; apply manifests/roles.yaml"
                )

    async def _remove(self, addresses: Sequence[Address]) -> None:
        """Delete what belongs to nobody any more; the garbage collector may be faster."""
        for address in addresses:
            held = self._known.objects.get(address)
            if held is not None and held.owner is not None:
                await rbac.delete(self._context.cluster, address, held)
                self._known.drop(address)

    async def _cede(self, key: ApiKey) -> None:
        """Close a Secret's name to its former holder before a new token gets the name."""
        async with self._listing:
            if not self._is_listed:
                await self.fill()
        for holder in map(own_keys_holder, self._known.opening(key.namespace, key.name)):
            if holder != key.spec.membership:
                await self._reconcile_own_keys(Ref(Membership, key.namespace, holder))

    def _note(self, ref: Ref, problem: BindingState | None) -> None:
        """Remember what is wrong, for the Organization's condition."""
        problems = self._problems.setdefault(ref.namespace, {})
        if problem is None:
            problems.pop(ref, None)
        else:
            problems[ref] = problem
        state = next(iter(problems.values()), BindingState())
        if self._told.get(ref.namespace) != state:
            self._told[ref.namespace] = state
            for organization in self._context.mirror.organizations(ref.namespace):
                self._context.queue.add(ref_of(organization))

    def _spread(self, change: Change) -> None:
        """Queue whoever gains or loses something."""
        ref, old, new = change.ref, change.old, change.new
        match old, new:
            case (ApiKey() | None, ApiKey() | None):
                for key in (old, new):
                    if isinstance(key, ApiKey) and _opens(old) != _opens(new):
                        member = Ref(Membership, ref.namespace, key.spec.membership)
                        self._queue(member, loses=_opens(old) is not None)
            case (Membership() | None, Membership() | None):
                if _tenure(old) != _tenure(new):
                    self._queue(_roles_of(ref.namespace), loses=old is not None)
                    self._queue(ref, loses=old is not None)
                    for one in (old, new):
                        for namesake in self._context.mirror.namesakes(one) if isinstance(one, Membership) else ():
                            self._queue(ref_of(namesake), loses=True)
            case _:
                if _tenure(old) != _tenure(new):
                    self._queue(_roles_of(ref.namespace), loses=True)
                    for member_ref in map(ref_of, self._context.mirror.memberships(ref.namespace)):
                        self._queue(member_ref, loses=True)

    def _queue(self, ref: Ref, *, loses: bool) -> None:
        if loses:
            self.queue.add(ref)
        else:
            self.queue.settle(ref)


def _roles_of(namespace: str) -> Ref:
    return Ref(Organization, namespace, _ALL_OF_A_NAMESPACE)


def _tenure(resource: object) -> tuple[object, ...] | None:
    """What an Organization's or a Membership's bindings depend on."""
    if not isinstance(resource, Organization | Membership):
        return None
    metadata = resource.metadata
    return metadata.uid, metadata.generation, metadata.deleting


def _opens(key: object) -> str | None:
    """The uid of the Secret that a key lets its holder read; None: it lets nobody read one."""
    if not isinstance(key, ApiKey) or key.metadata.deleting or not is_ready(key.status.conditions):
        return None
    return key.status.secret_uid
