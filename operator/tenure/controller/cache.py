"""The cache of the three kinds. It proposes, and consistent reads prove."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from tenure.controller.recent import Recent
from tenure.controller.refs import Change, Ref, ref_of
from tenure.domain.in_force import oldest
from tenure.domain.resources import ApiKey, Membership, Organization, Resource
from tenure.domain.resources.membership import SubjectKind

R = TypeVar("R", bound=Resource)

_NO_KEYS: Mapping[str, dict[str, ApiKey]] = {}


class Cache:
    """Holds the latest known state of every object, with the look-ups that plans need."""

    def __init__(self) -> None:
        self._objects: dict[Ref, Resource] = {}
        self._seen_at: dict[Ref, float] = {}
        self._gone = Recent[str]()
        self._members: defaultdict[str, dict[str, Membership]] = defaultdict(dict)
        self._subjects: defaultdict[tuple[str, tuple[SubjectKind, str]], dict[str, Membership]] = defaultdict(dict)
        self._organizations: defaultdict[str, dict[str, Organization]] = defaultdict(dict)
        self._keys: defaultdict[str, defaultdict[str, dict[str, ApiKey]]] = defaultdict(lambda: defaultdict(dict))

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
        match new:
            case ApiKey():
                self._keys[new.namespace][new.spec.membership][new.name] = new
                if isinstance(known, ApiKey) and known.spec.membership != new.spec.membership:
                    self._keys[new.namespace][known.spec.membership].pop(new.name, None)
            case Membership():
                if isinstance(known, Membership):
                    self._subjects[known.namespace, known.spec.subject.folded].pop(known.name, None)
                self._members[new.namespace][new.name] = new
                self._subjects[new.namespace, new.spec.subject.folded][new.name] = new
            case Organization():
                self._organizations[new.namespace][new.name] = new
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
        match known:
            case ApiKey():
                self._keys[known.namespace][known.spec.membership].pop(known.name, None)
            case Membership():
                self._members[known.namespace].pop(known.name, None)
                self._subjects[known.namespace, known.spec.subject.folded].pop(known.name, None)
            case Organization():
                self._organizations[known.namespace].pop(known.name, None)
        return Change(ref, known, None)

    def get(self, resource: type[R], namespace: str, name: str) -> R | None:
        """The object as it was last seen, or None if it isn't cached."""
        return cast(R | None, self._objects.get(Ref(resource, namespace, name)))

    def seen_at(self, ref: Ref) -> float:
        """The time at which the cached state was seen, on the loop's clock. Minus infinity if nothing is cached."""
        return self._seen_at.get(ref, float("-inf"))

    def all(self) -> list[Resource]:
        """A snapshot of all objects."""
        return list(self._objects.values())

    def forget_deletions(self) -> None:
        """Accept objects again whose deletion a watch reported, because a restored etcd brings them back."""
        self._gone = Recent()

    def organizations(self, namespace: str) -> list[Organization]:
        """The Organizations of a namespace."""
        return list(self._organizations.get(namespace, {}).values())

    def organization_in_force(self, namespace: str, name: str | None = None) -> Organization | None:
        """The oldest Organization of a namespace. If `name` is given, None unless it has this name."""
        organization = oldest(self.organizations(namespace))
        if organization is None or name not in (None, organization.name):
            return None
        return organization

    def memberships(self, namespace: str) -> list[Membership]:
        """The Memberships of a namespace."""
        return list(self._members.get(namespace, {}).values())

    def namesakes(self, member: Membership) -> list[Membership]:
        """The other Memberships with the same subject, in whatever case, that aren't being deleted."""
        same = self._subjects.get((member.namespace, member.spec.subject.folded), {}).values()
        return [one for one in same if one.name != member.name and not one.metadata.deleting]

    def displacing(self, member: Membership) -> str | None:
        """The name of the oldest Membership with the same subject, or None if that is the member itself."""
        first = oldest([member, *self.namesakes(member)])
        return None if first is None or first.name == member.name else first.name

    def keys_of(self, namespace: str, membership: str) -> list[ApiKey]:
        """The keys of a member."""
        return list(self._keys.get(namespace, _NO_KEYS).get(membership, {}).values())

    def keys_in(self, namespace: str) -> list[ApiKey]:
        """The keys of a namespace."""
        return [key for keys in self._keys.get(namespace, _NO_KEYS).values() for key in keys.values()]
