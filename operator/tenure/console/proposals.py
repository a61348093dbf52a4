"""The changes that the console offers. Each is shown before it is made, and the facts it rests on must still hold."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from tenure.domain.impact.tree import Address
from tenure.domain.resources import KINDS
from tenure.domain.roles import Role
from tenure.viewmodel import edits
from tenure.viewmodel.diff import edit_diff, shown_fields
from tenure.viewmodel.edits import FIELD_MANAGER, Action, Edit, EditsPage
from tenure.viewmodel.errors import ViewError
from tenure.viewmodel.invitations import InvitationsPage, invitations_page, split_addresses
from tenure.viewmodel.keys import KeyRow, key_row
from tenure.viewmodel.letters import Letter, letter_of
from tenure.viewmodel.preview import PreviewPage, removal_preview, role_preview
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.words import NONE, as_document

CONSOLE = "tenure-console"
"""The field manager of the console's changes, which counts as a person's."""

MOST_ADDRESSES = 200
"""Maximum number of addresses of one invitation, because the cluster tries each of them first."""


@dataclass(frozen=True)
class Choice:
    """What a person chose for a change.

    Attributes:
        to: The new role, or the member who gets a key.
        reason: Why a member is suspended.
        addresses: Whom to invite.
        keep: Names of the keys to approve for the new role.
    """

    to: str = ""
    reason: str = ""
    addresses: str = ""
    keep: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Self:
        """Read the fields of a form."""
        addresses = ", ".join(split_addresses(values.get("addresses", "")))
        keep = tuple(sorted(filter(None, values.get("keep", "").split(","))))
        return cls(values.get("to", ""), values.get("reason", "").strip(), addresses, keep)

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields of a form or an address, apart from tick boxes."""
        texts = {"to": self.to, "reason": self.reason, "addresses": self.addresses}
        return {name: text for name, text in texts.items() if text}


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
        key: The key, for a change of one.
        letter: The invitation that is sent again. Then there are no edits.
        invited: The new members, for an invitation.
    """

    title: str
    done: str
    edits: tuple[Edit, ...]
    diffs: tuple[tuple[str, ...], ...]
    facts: Mapping[str, str]
    confirm: str = ""
    preview: PreviewPage | None = None
    key: KeyRow | None = None
    letter: Letter | None = None
    invited: InvitationsPage | None = None

    @property
    def stays(self) -> bool:
        """Whether no tool reverts the change."""
        return all(edit.stays for edit in self.edits)


Plan = Callable[[Snapshot, str, Choice], Proposal]
"""Returns a change of the object with a name, as a person chose it. Raises `ViewError` if there is none."""


def role_change(snapshot: Snapshot, name: str, choice: Choice) -> Proposal:
    """Return a role change of a member."""
    page = role_preview(snapshot, name, parse_role(choice.to), choice.keep)
    title = f"Change {name} from {page.from_role} to {page.to_role}"
    return _of_member(snapshot, page, title, f"{name} has the role {page.to_role} now", choice.keep)


def removal(snapshot: Snapshot, name: str, _: Choice) -> Proposal:
    """Return the removal of a member."""
    return _of_member(snapshot, removal_preview(snapshot, name), f"Remove {name}", f"{name} is removed")


def rotation(snapshot: Snapshot, name: str, _: Choice) -> Proposal:
    """Return a new token for a key, beside the present one."""
    return _of_key(snapshot, edits.rotate(snapshot, name), f"Rotate key {name}", f"{name} gets a new token")


def reissue(snapshot: Snapshot, name: str, _: Choice) -> Proposal:
    """Return a new token for a key instead of the present one."""
    page = edits.revoke(snapshot, name, reissue=True)
    return _of_key(snapshot, page, f"Reissue key {name}", f"{name} gets a new token, and all former ones are revoked")


def hand_over(snapshot: Snapshot, name: str, choice: Choice) -> Proposal:
    """Return the hand-over of a key to another member."""
    if not choice.to:
        raise ViewError("choose the member who gets the key")
    page = edits.hand_over(snapshot, [name], choice.to)
    return _of_key(snapshot, page, f"Hand key {name} over to {choice.to}", f"{name} is handed over to {choice.to}")


def suspension(snapshot: Snapshot, name: str, _: Choice) -> Proposal:
    """Return the suspension of a key."""
    return _of_key(snapshot, edits.suspend(snapshot, key=name), f"Suspend key {name}", f"{name} is suspended")


def resumption(snapshot: Snapshot, name: str, _: Choice) -> Proposal:
    """Return the end of a key's suspension."""
    done = f"{name} isn't suspended any more"
    return _of_key(snapshot, edits.resume(snapshot, key=name), f"Resume key {name}", done)


def revocation(snapshot: Snapshot, name: str, _: Choice) -> Proposal:
    """Return the revocation of a key, which deletes it."""
    return _of_key(snapshot, edits.revoke(snapshot, name), f"Revoke key {name}", f"{name} is revoked")


def member_suspension(snapshot: Snapshot, name: str, choice: Choice) -> Proposal:
    """Return the suspension of a member's keys."""
    page = edits.suspend(snapshot, member=name, reason=choice.reason)
    return _of(snapshot, page, f"Suspend the keys of {name}", f"The keys of {name} are suspended")


def member_resumption(snapshot: Snapshot, name: str, _: Choice) -> Proposal:
    """Return the end of a member's suspension."""
    page = edits.resume(snapshot, member=name)
    return _of(snapshot, page, f"Resume the keys of {name}", f"The keys of {name} aren't suspended any more")


def letter(snapshot: Snapshot, name: str, _: Choice) -> Proposal:
    """Return another letter to a member who was invited."""
    member = snapshot.member(name)
    found = letter_of(snapshot, member)
    if found is None:
        raise ViewError(
            f"{name} gets no invitation: the organization's spec.invitations.mode is None, or {name} is no person"
        )
    if found.accepted_at is not None:
        raise ViewError(f"{name} has accepted the invitation already")
    facts = {"object": member.metadata.uid, "generation": str(member.metadata.generation)}
    return Proposal(
        title=f"Send the invitation of {name} again",
        done=f"Another letter to {name} was asked for",
        edits=(),
        diffs=(),
        facts={**facts, "role": member.spec.role.value, "address": found.address or NONE},
        letter=found,
    )


def all_suspension(snapshot: Snapshot, _: str, __: Choice) -> Proposal:
    """Return the suspension of all keys of an organization."""
    return _of(snapshot, edits.suspend(snapshot), "Suspend all keys", "All keys of the organization are suspended")


def all_resumption(snapshot: Snapshot, _: str, __: Choice) -> Proposal:
    """Return the end of an organization's suspension."""
    return _of(snapshot, edits.resume(snapshot), "Resume all keys", "The organization isn't suspended any more")


def invitation(snapshot: Snapshot, _: str, choice: Choice) -> Proposal:
    """Return new Memberships for the addresses of a text."""
    found, to = split_addresses(choice.addresses), choice.to
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


ORGANIZATION_PLANS: Mapping[str, Plan] = {
    "invite": invitation,
    "suspend": all_suspension,
    "resume": all_resumption,
}
MEMBER_PLANS: Mapping[str, Plan] = {
    "role": role_change,
    "removal": removal,
    "suspend": member_suspension,
    "resume": member_resumption,
    "resend": letter,
}
KEY_PLANS: Mapping[str, Plan] = {
    "rotate": rotation,
    "reissue": reissue,
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


KEEP = "keys to keep"
"""The fact that names the keys which a person approves for the new role."""


def _of_member(snapshot: Snapshot, page: PreviewPage, title: str, done: str, keep: Sequence[str] = ()) -> Proposal:
    page = replace(page, edit=_under_our_name(page.edit), approvals=tuple(map(_under_our_name, page.approvals)))
    # The same before and after a key is approved, because the keys are changed first.
    fates = {f"key {one.key.name}": f"{one.fate.value} {one.key_ids}".strip() for one in page.keys}
    return Proposal(
        title=title,
        done=done,
        edits=page.edits,
        diffs=tuple(edit_diff(snapshot, edit) for edit in page.edits),
        facts={**_facts(snapshot, page.edit), **fates, KEEP: ", ".join(keep) or NONE},
        confirm=page.member if page.edit.revokes else "",
        preview=page,
    )


def _of_key(snapshot: Snapshot, page: EditsPage, title: str, done: str) -> Proposal:
    (edit,) = page.changes
    return replace(_of(snapshot, page, title, done), key=key_row(snapshot, snapshot.key(edit.name)))


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
