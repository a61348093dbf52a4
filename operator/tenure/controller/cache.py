"""The cache of the three kinds. It proposes, and consistent reads prove."""

from collections.abc import Hashable, Mapping
from typing import Any, Generic, TypeVar, cast

from tenure.controller.recent import Recent
from tenure.controller.refs import Change, Ref, ref_of
from tenure.domain.conditions import ready_reason
from tenure.domain.in_force import oldest
from tenure.domain.reasons import Reason
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.membership import SubjectKind
from tenure.domain.views import memberships_of

R = TypeVar("R", bound=Resource)
G = TypeVar("G", bound=Hashable)


class Groups(Generic[G, R]):
    """Objects by a group and their name. A group without objects takes no memory."""

    def __init__(self) -> None:
        self._groups: dict[G, dict[str, R]] = {}

    def add(self, group: G, resource: R) -> None:
        """Add an object to a group, in place of one of the same name."""
        self._groups.setdefault(group, {})[resource.name] = resource

    def discard(self, group: G, name: str) -> None:
        """Remove an object from a group, if it is in it."""
        objects = self._groups.get(group, {})
        objects.pop(name, None)
        if not objects:
            self._groups.pop(group, None)

    def of(self, group: G) -> list[R]:
        """The objects of a group."""
        return list(self._groups.get(group, {}).values())


class Cache:
    """Holds the latest known state of every object, with the look-ups that plans need."""

    def __init__(self) -> None:
        self._objects: dict[Ref, Resource] = {}
        self._seen_at: dict[Ref, float] = {}
        self._gone = Recent[str]()
        self._members = Groups[str, Membership]()
        self._subjects = Groups[tuple[str, tuple[SubjectKind, str]], Membership]()
        self._organizations = Groups[str, Organization]()
        self._keys = Groups[str, ApiKey]()
        self._keys_of = Groups[tuple[str, str], ApiKey]()
        self._over_quota = Groups[tuple[str, str], ApiKey]()

    def holds(self, ref: Ref, metadata: Mapping[str, Any]) -> bool:
        """Whether the cache has the object with this uid in this version or a newer one."""
        known = self._objects.get(ref)
        return (
            known is not None
            and known.metadata.uid == metadata["uid"]
            and int(known.metadata.resource_version) >= int(metadata["resourceVersion"])
        )

    def put(self, new: Resource, seen_at: float) -> Change | None:
        """Store an object and return the change, or None if the cache has this version or a newer one.

        It also returns None if a watch has reported the object's deletion. `seen_at` is a time of the loop's clock.
        """
        ref = ref_of(new)
        known = self._objects.get(ref)
        if new.metadata.uid in self._gone:
            return None
        if known is not None and int(known.metadata.resource_version) >= int(new.metadata.resource_version):
            return None
        self._objects[ref] = new
        self._seen_at[ref] = seen_at
        if known is not None:
            self._unindex(known)
        self._index(new)
        return Change(ref, known, new)

    def remove(self, ref: Ref, uid: str, *, for_good: bool = False) -> Change | None:
        """Remove an object and return the change, or None if the object with this uid isn't cached.

        Set `for_good` if a watch reported the deletion. A slower answer that still shows the object is then ignored.
        """
        if for_good:
            self._gone.add(uid)
        known = self._objects.get(ref)
        if known is None or known.metadata.uid != uid:
            return None
        del self._objects[ref], self._seen_at[ref]
        self._unindex(known)
        return Change(ref, known, None)

    def _index(self, resource: Resource) -> None:
        match resource:
            case ApiKey():
                self._keys.add(resource.namespace, resource)
                for name in memberships_of(resource):
                    self._keys_of.add((resource.namespace, name), resource)
                if ready_reason(resource.status.conditions) == Reason.QUOTA_EXCEEDED or resource.is_handed_over:
                    self._over_quota.add((resource.namespace, resource.spec.membership), resource)
            case Membership():
                self._members.add(resource.namespace, resource)
                self._subjects.add((resource.namespace, resource.spec.subject.folded), resource)
            case Organization():
                self._organizations.add(resource.namespace, resource)

    def _unindex(self, resource: Resource) -> None:
        match resource:
            case ApiKey():
                self._keys.discard(resource.namespace, resource.name)
                for name in memberships_of(resource):
                    self._keys_of.discard((resource.namespace, name), resource.name)
                self._over_quota.discard((resource.namespace, resource.spec.membership), resource.name)
            case Membership():
                self._members.discard(resource.namespace, resource.name)
                self._subjects.discard((resource.namespace, resource.spec.subject.folded), resource.name)
            case Organization():
                self._organizations.discard(resource.namespace, resource.name)

    def get(self, resource: type[R], namespace: str, name: str) -> R | None:
        """The object as it was last seen, or None if it isn't cached."""
        return cast(R | None, self._objects.get(Ref(resource, namespace, name)))

    def seen_at(self, ref: Ref) -> float:
        """The time at which the cached state was seen, on the loop's clock. Minus infinity if nothing is cached."""
        return self._seen_at.get(ref, float("-inf"))

    def all(self) -> list[Resource]:
        """A snapshot of all objects."""
        return list(self._objects.values())

    def refs(self, *kinds: type[Resource]) -> list[Ref]:
        """The addresses of all objects of some kinds. It makes no new ones, of which 100,000 take 9 MB."""
        return [ref for ref in self._objects if ref.resource in kinds]

    def forget_deletions(self) -> None:
        """Accept objects again whose deletion a watch reported, because a restored etcd brings them back."""
        self._gone = Recent()

    def organizations(self, namespace: str) -> list[Organization]:
        """The Organizations of a namespace."""
        return self._organizations.of(namespace)

    def organization_in_force(self, namespace: str, name: str | None = None) -> Organization | None:
        """The oldest Organization of a namespace. If `name` is given, None unless it has this name."""
        organization = oldest(self.organizations(namespace))
        if organization is None or name not in (None, organization.name):
            return None
        return organization

    def memberships(self, namespace: str) -> list[Membership]:
        """The Memberships of a namespace."""
        return self._members.of(namespace)

    def namesakes(self, member: Membership) -> list[Membership]:
        """The other Memberships with the same subject, in whatever case, that aren't being deleted."""
        same = self._subjects.of((member.namespace, member.spec.subject.folded))
        return [one for one in same if one.name != member.name and not one.metadata.deleting]

    def displacing(self, member: Membership) -> str | None:
        """The name of the oldest Membership with the same subject, or None if that is the member itself."""
        first = oldest([member, *self.namesakes(member)])
        return None if first is None or first.name == member.name else first.name

    def keys_of(self, namespace: str, membership: str) -> list[ApiKey]:
        """The keys that name a member, and those with a token that was issued under the member."""
        return self._keys_of.of((namespace, membership))

    def waiting_for_room(self, namespace: str, membership: str) -> list[ApiKey]:
        """The keys of a member that wait because there are too many, and those that wait for their hand-over."""
        return self._over_quota.of((namespace, membership))

    def keys_in(self, namespace: str) -> list[ApiKey]:
        """The keys of a namespace."""
        return self._keys.of(namespace)
