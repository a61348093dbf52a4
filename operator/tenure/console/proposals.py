"""The changes that the console offers. Each is shown before it is made, and the facts it rests on must still hold."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tenure.domain.impact.tree import Address
from tenure.domain.resources import KINDS
from tenure.domain.roles import Role
from tenure.viewmodel import edits
from tenure.viewmodel.diff import edit_diff, shown_fields
from tenure.viewmodel.edits import FIELD_MANAGER, Action, Edit, EditsPage
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.invitations import InvitationsPage, invitations_page, split_addresses
from tenure.viewmodel.preview import PreviewPage, removal_preview, role_preview
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.words import as_document

CONSOLE = "tenure-console"
"""The field manager of the console's changes, which counts as a person's."""

MOST_ADDRESSES = 200
"""Maximum number of addresses of one invitation, because the cluster tries each of them first."""


@dataclass(frozen=True)
class Proposal:
    """A change of one object, or new Memberships.

    Attributes:
        title: What the person is about to do.
        done: The same after it was done.
        diffs: The difference that each edit makes.
        facts: What the person was shown, by names for people. A page is stale if one of them differs.
        confirm: What the person must type, because a token stops working, or empty.
        preview: What becomes of keys, for a change of a member.
        invited: The new members, for an invitation.
    """

    title: str
    done: str
    edits: tuple[Edit, ...]
    diffs: tuple[tuple[str, ...], ...]
    facts: Mapping[str, str]
    confirm: str = ""
    preview: PreviewPage | None = None
    invited: InvitationsPage | None = None

    @property
    def stays(self) -> bool:
        """Whether no tool reverts the change."""
        return all(edit.stays for edit in self.edits)


Plan = Callable[[Snapshot, str, str], Proposal]
"""Returns a change of the object with a name, to a value such as a role. Raises `ViewError` if there is none."""


def role_change(snapshot: Snapshot, name: str, to: str) -> Proposal:
    """Return a role change of a member."""
    page = role_preview(snapshot, name, parse_role(to))
    title = f"Change {name} from {page.from_role} to {page.to_role}"
    return _of_member(snapshot, page, title, f"{name} has the role {page.to_role} now")


def removal(snapshot: Snapshot, name: str, _: str) -> Proposal:
    """Return the removal of a member."""
    return _of_member(snapshot, removal_preview(snapshot, name), f"Remove {name}", f"{name} is removed")


def rotation(snapshot: Snapshot, name: str, _: str) -> Proposal:
    """Return a new token for a key, beside the present one."""
    return _of(snapshot, edits.rotate(snapshot, name), f"Rotate key {name}", f"{name} gets a new token")


def hand_over(snapshot: Snapshot, name: str, to: str) -> Proposal:
    """Return the hand-over of a key to another member."""
    if not to:
        raise ViewError("choose the member who gets the key")
    page = edits.hand_over(snapshot, [name], to)
    return _of(snapshot, page, f"Hand key {name} over to {to}", f"{name} is handed over to {to}")


def suspension(snapshot: Snapshot, name: str, _: str) -> Proposal:
    """Return the suspension of a key."""
    return _of(snapshot, edits.suspend(snapshot, key=name), f"Suspend key {name}", f"{name} is suspended")


def resumption(snapshot: Snapshot, name: str, _: str) -> Proposal:
    """Return the end of a key's suspension."""
    return _of(snapshot, edits.resume(snapshot, key=name), f"Resume key {name}", f"{name} isn't suspended any more")


def revocation(snapshot: Snapshot, name: str, _: str) -> Proposal:
    """Return the revocation of a key, which deletes it."""
    return _of(snapshot, edits.revoke(snapshot, name), f"Revoke key {name}", f"{name} is revoked")


def member_suspension(snapshot: Snapshot, name: str, _: str) -> Proposal:
    """Return the suspension of a member's keys."""
    page = edits.suspend(snapshot, member=name)
    return _of(snapshot, page, f"Suspend the keys of {name}", f"The keys of {name} are suspended")


def member_resumption(snapshot: Snapshot, name: str, _: str) -> Proposal:
    """Return the end of a member's suspension."""
    page = edits.resume(snapshot, member=name)
    return _of(snapshot, page, f"Resume the keys of {name}", f"The keys of {name} aren't suspended any more")


def invitation(snapshot: Snapshot, addresses: str, to: str) -> Proposal:
    """Return new Memberships for the addresses of a text."""
    found = split_addresses(addresses)
    if len(found) > MOST_ADDRESSES:
        raise ViewError(f"at most {MOST_ADDRESSES} addresses at once, and here are {len(found)}")
    page = invitations_page(snapshot, found, parse_role(to))
    made = tuple(_under_our_name(edit) for edit in page.invitations)
    number = "1 person" if len(made) == 1 else f"{len(made)} people"
    facts = {edit.name: edit.summary for edit in made} | {
        f"member {one.name}": f"{one.address}, {one.role}" for one in page.existing
    }
    return Proposal(
        title=f"Invite {number} as {to}",
        done=f"{number} invited as {to}",
        edits=made,
        diffs=tuple(edit_diff(snapshot, edit) for edit in made),
        facts={**facts, "managed by": page.managed_by},
        invited=page,
    )


MEMBER_PLANS: Mapping[str, Plan] = {
    "role": role_change,
    "removal": removal,
    "suspend": member_suspension,
    "resume": member_resumption,
}
KEY_PLANS: Mapping[str, Plan] = {
    "rotate": rotation,
    "hand-over": hand_over,
    "suspend": suspension,
    "resume": resumption,
    "revoke": revocation,
}


def parse_role(text: str) -> Role:
    """Return the role of a name.

    Raises:
        ViewError: there is no such role.
    """
    try:
        return Role(text)
    except ValueError:
        raise ViewError(f"choose a role: {', '.join(Role)}") from None


def differences(shown: Mapping[str, str], present: Mapping[str, str]) -> Sequence[tuple[str, str, str]]:
    """Return the facts that changed, each with its former and its present value."""
    names = [*shown, *(name for name in present if name not in shown)]
    return [
        (name, shown.get(name, "-"), present.get(name, "-")) for name in names if shown.get(name) != present.get(name)
    ]


def _of_member(snapshot: Snapshot, page: PreviewPage, title: str, done: str) -> Proposal:
    edit = _under_our_name(page.edit)
    fates = {f"key {one.key.name}": f"{one.fate.value} {one.key_ids}".strip() for one in page.keys}
    return Proposal(
        title=title,
        done=done,
        edits=(edit,),
        diffs=(edit_diff(snapshot, edit),),
        facts={**_facts(snapshot, edit), **fates},
        confirm=page.member if edit.revokes else "",
        preview=replace(page, edit=edit),
    )


def _of(snapshot: Snapshot, page: EditsPage, title: str, done: str) -> Proposal:
    (edit,) = map(_under_our_name, page.changes)
    return Proposal(
        title=title,
        done=done,
        edits=(edit,),
        diffs=(edit_diff(snapshot, edit),),
        facts=_facts(snapshot, edit),
        confirm=edit.name if edit.revokes else "",
    )


def _under_our_name(edit: Edit) -> Edit:
    """Return the edit under the console's field manager, unless it needs another one."""
    return replace(edit, field_manager=CONSOLE) if edit.field_manager == FIELD_MANAGER else edit


def _facts(snapshot: Snapshot, edit: Edit) -> Mapping[str, str]:
    """Return what an edit rests on: the object with its fields, who manages it, and the change itself.

    The generation counts the changes of the spec. The resourceVersion changes with each status too, so it is none.
    """
    kind = next(kind for kind in KINDS if kind.kind == edit.kind)
    found = snapshot.tree.find(kind, Address(edit.namespace, edit.name))
    generation = {} if found is None else {"generation": str(found.metadata.generation)}
    fields = shown_fields(snapshot, edit)
    return {
        "object": edit.uid,
        **generation,
        **{f"{part}.{name}": _text(value) for part, values in fields.items() for name, value in values.items()},
        "managed by": edit.managed_by,
        "change": "delete" if edit.action is Action.DELETE else _text(edit.patch),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(as_document(value), sort_keys=True)


def place_of(snapshot: Snapshot | None) -> Mapping[str, str]:
    """Return the names in the heading of an organization's pages."""
    if snapshot is None:
        return {}
    organization = snapshot.organization
    shown = (organization.spec.display_name or organization.name) if organization else snapshot.namespace
    return {"namespace": snapshot.namespace, "organization": shown}
