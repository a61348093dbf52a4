"""Changes of one object each: what a file in Git has to say, the patch, and the kubectl command that makes it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tenure.domain.resources import ApiKey, Organization, Resource
from tenure.domain.resources.base import API_VERSION, GROUP
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.snapshot import Snapshot

FIELD_MANAGER = "kubectl-tenure"

INCIDENT = "incident"
"""Field manager of a suspension where Flux takes back what kubectl sets under its own name."""

Body = Mapping[str, Any]


class Action(StrEnum):
    """What an edit does with its object."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True)
class Edit:
    """A change of one object.

    Attributes:
        action: What happens to the object.
        summary: The change in words.
        patch: The merge patch of a change, without preconditions.
        manifest: What the object's file has to say. Of a change it has only the changed fields.
        command: The kubectl command that makes the change.
        managed_by: Who manages the object.
        by_hand: Whether people do, so that a change by hand stays.
        stays: Whether a change by hand stays even if a tool manages the object, because Git doesn't have the field.
        revokes: Whether a token stops working for good, so that a person should confirm it.
        affected: Names of the keys whose tokens stop working because their member's role ends.
        field_manager: The field manager under which the change is made.
        uid: The uid of the object that the change is for, or empty for a new one.
        resource_version: The version that the change is based on.
    """

    action: Action
    kind: str
    plural: str
    namespace: str
    name: str
    summary: str
    patch: Body | None
    manifest: Body | None
    command: str
    managed_by: str
    by_hand: bool
    stays: bool
    revokes: bool = False
    affected: tuple[str, ...] = field(default=(), metadata={"shown": False})
    field_manager: str = FIELD_MANAGER
    uid: str = field(default="", metadata={"shown": False})
    resource_version: str = field(default="", metadata={"shown": False})

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    def same_as(self, other: "Edit") -> bool:
        """Return whether this is the same change, of the same or of another version of the object.

        The command says nothing more than the patch, and may name the version.
        """
        return replace(self, resource_version=other.resource_version, command=other.command) == other

    @property
    def resource_name(self) -> str:
        """The name as `kubectl -o name` prints it."""
        return f"{self.kind.lower()}.{GROUP}/{self.name}"

    @property
    def preconditions(self) -> Mapping[str, str]:
        """The uid and the version that the object must still have."""
        return {"uid": self.uid, "resourceVersion": self.resource_version}


@dataclass(frozen=True)
class EditsPage:
    """Changes that a command makes, or shows.

    Attributes:
        applied: Whether they were made.
    """

    changes: tuple[Edit, ...]
    applied: bool = False
    warnings: tuple[str, ...] = ()


def rotate(snapshot: Snapshot, name: str) -> EditsPage:
    """Return the change that rotates a key's token."""
    key = snapshot.key(name)
    stamp = key.status.issued
    if stamp is None:
        raise ViewError(
            f"ApiKey {name} has no token yet, so there is none to rotate. See: kubectl describe apikey {name}"
        )
    request = max(key.rotation.request or 0, stamp.request or 0) + 1
    summary = f"replace the token, and keep the former one valid for the overlap (spec.rotation.request: {request})"
    return EditsPage((change(snapshot, key, summary, {"rotation": {"request": request}}),))


def hand_over(snapshot: Snapshot, names: Sequence[str], to: str) -> EditsPage:
    """Return the changes that give keys to another member."""
    snapshot.member(to)
    edits = []
    for name in dict.fromkeys(names):
        key = snapshot.key(name)
        if key.spec.membership == to:
            raise ViewError(f"ApiKey {name} is {to}'s already. Leave it out")
        summary = (
            f"hand it over from {key.spec.membership} to {to}, with a new token. The former one stays valid for the "
            f"overlap (spec.membership: {to})"
        )
        edits.append(change(snapshot, key, summary, {"membership": to}))
    return EditsPage(tuple(edits))


def revoke(snapshot: Snapshot, name: str, *, reissue: bool = False) -> EditsPage:
    """Return the change that revokes a key: its deletion, or a higher revision, which gives it a new token."""
    key = snapshot.key(name)
    if not reissue:
        summary = f"revoke the key of {key.spec.membership}, and delete its Secret"
        return EditsPage((deletion(snapshot, key, summary),))
    revision, status = key.revision + 1, key.status
    has_token = any(token is not None for token in (status.issued, status.next, status.previous))
    what = "revoke all tokens of the key, and issue a new one" if has_token else "issue a token for the key"
    summary = f"{what} (spec.revision: {revision})"
    return EditsPage((change(snapshot, key, summary, {"revision": revision}, revokes=has_token),))


def suspend(snapshot: Snapshot, *, member: str = "", key: str = "", reason: str = "") -> EditsPage:
    """Return the change that suspends a member, a key, or without either the whole organization."""
    if key:
        one = snapshot.key(key)
        if one.spec.suspended:
            raise ViewError(f"ApiKey {key} is suspended already")
        return EditsPage((_suspension(snapshot, one, "suspend the key", {"suspended": True}),))
    organization = snapshot.require_organization()
    if not member:
        if organization.spec.suspended:
            raise ViewError(f"Organization {organization.name} is suspended already")
        return EditsPage((_suspension(snapshot, organization, "suspend all keys", {"suspended": True}),))
    snapshot.member(member)
    entries = _suspended(organization)
    if any(entry["name"] == member for entry in entries):
        raise ViewError(f"{member} is suspended already")
    entry = {"name": member, **({"reason": reason} if reason else {})}
    return EditsPage(
        (_suspension(snapshot, organization, f"suspend the keys of {member}", {"suspendedMembers": [*entries, entry]}),)
    )


def resume(snapshot: Snapshot, *, member: str = "", key: str = "") -> EditsPage:
    """Return the change that lifts the suspension of a member, of a key, or without either of the organization."""
    if key:
        one = snapshot.key(key)
        if not one.spec.suspended:
            raise ViewError(f"ApiKey {key} isn't suspended")
        return EditsPage((_suspension(snapshot, one, "lift the suspension of the key", {"suspended": None}),))
    organization = snapshot.require_organization()
    if not member:
        if not organization.spec.suspended:
            raise ViewError(f"Organization {organization.name} isn't suspended")
        return EditsPage((_suspension(snapshot, organization, "lift the suspension", {"suspended": None}),))
    entries = _suspended(organization)
    left = [entry for entry in entries if entry["name"] != member]
    if left == entries:
        raise ViewError(
            f"{member} isn't suspended. Suspended members: {', '.join(one['name'] for one in entries) or 'none'}"
        )
    summary = f"lift the suspension of {member}"
    return EditsPage((_suspension(snapshot, organization, summary, {"suspendedMembers": left or None}),))


def change(
    snapshot: Snapshot,
    resource: Resource,
    summary: str,
    spec: Body,
    annotations: Mapping[str, str] | None = None,
    *,
    revokes: bool = False,
    affected: Sequence[str] = (),
    stays: bool = False,
    is_list: bool = False,
    field_manager: str = FIELD_MANAGER,
) -> Edit:
    """Return a change of some fields of an object. A field that is None is removed. With `is_list` one is a list."""
    metadata: Body = {"annotations": dict(annotations)} if annotations else {}
    patch = {**({"metadata": metadata} if metadata else {}), "spec": dict(spec)}
    # Unless the object is as it was read, a list would also undo somebody else's change of it.
    version = {"metadata": {**metadata, "resourceVersion": resource.metadata.resource_version}} if is_list else {}
    text = shlex.quote(json.dumps({**patch, **version}, separators=(",", ":")))
    manager = "" if field_manager == FIELD_MANAGER else f" --field-manager={field_manager}"
    address = {"name": resource.name, "namespace": resource.namespace}
    manifest = {
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        "metadata": {**address, **metadata},
        "spec": {name: value for name, value in spec.items() if value is not None},
    }
    command = f"kubectl patch {_target(snapshot, resource)} --type merge{manager} -p {text}"
    return _edit(
        snapshot,
        resource,
        action=Action.CHANGE,
        summary=summary,
        patch=patch,
        manifest=manifest,
        command=command,
        revokes=revokes,
        affected=tuple(affected),
        stays=stays,
        field_manager=field_manager,
    )


def deletion(
    snapshot: Snapshot, resource: Resource, summary: str, *, revokes: bool = True, affected: Sequence[str] = ()
) -> Edit:
    """Return the deletion of an object."""
    return _edit(
        snapshot,
        resource,
        action=Action.DELETE,
        summary=summary,
        patch=None,
        manifest=None,
        command=f"kubectl delete {_target(snapshot, resource)}",
        revokes=revokes,
        affected=tuple(affected),
    )


def _edit(snapshot: Snapshot, resource: Resource, *, stays: bool = False, **fields: Any) -> Edit:
    """Return an edit of an object that exists."""
    manager = snapshot.manager(resource)
    return Edit(
        kind=resource.kind,
        plural=resource.plural,
        namespace=resource.namespace,
        name=resource.name,
        managed_by=manager.name,
        by_hand=manager.by_hand,
        stays=stays or manager.by_hand,
        uid=resource.metadata.uid,
        resource_version=resource.metadata.resource_version,
        **fields,
    )


def _suspension(snapshot: Snapshot, resource: ApiKey | Organization, summary: str, spec: Body) -> Edit:
    """Return a change of fields that are left out of Git, so that no tool reverts it: Flux only under another name."""
    field_manager = INCIDENT if snapshot.manager(resource).reverts else FIELD_MANAGER
    is_list = "suspendedMembers" in spec
    return change(snapshot, resource, summary, spec, stays=True, is_list=is_list, field_manager=field_manager)


def _suspended(organization: Organization) -> list[dict[str, str]]:
    listed = organization.spec.suspended_members or ()
    return [one.model_dump(by_alias=True, exclude_none=True) for one in listed]


def in_context(snapshot: Snapshot) -> str:
    """Return the option that has kubectl use the context that the caller chose, with a blank before it."""
    return f" --context={shlex.quote(snapshot.context)}" if snapshot.context else ""


def _target(snapshot: Snapshot, resource: Resource) -> str:
    return f"{resource.plural}.{GROUP} {resource.name} -n {resource.namespace}{in_context(snapshot)}"
