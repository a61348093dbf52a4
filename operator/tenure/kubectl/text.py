"""The pages as text for people."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.resources.base import format_time
from tenure.kubectl.output import BAD, CAREFUL, GOOD, QUIET, STRONG, Block, Cell, Code, Line, Table
from tenure.viewmodel.edits import Edit, EditsPage
from tenure.viewmodel.history import HistoryPage
from tenure.viewmodel.identity import CanPage, Tenure, WhoamiPage
from tenure.viewmodel.invitations import InvitationsPage
from tenure.viewmodel.keys import KeyRow, KeysPage
from tenure.viewmodel.members import MembersPage
from tenure.viewmodel.preview import Fate, KeyFate, PreviewPage
from tenure.viewmodel.sentences import ACCEPTED, ALL_SUSPENDED, REJECTED, TRIED_ALONE, about, in_git, summary
from tenure.viewmodel.words import NONE, UNKNOWN, age, as_yaml, remaining

_FATES = {Fate.REVOKED: BAD, Fate.REISSUED: CAREFUL, Fate.ISSUED: GOOD, Fate.KEPT: GOOD}
_SHORT_ID = 12


def members_text(page: MembersPage) -> Iterator[Block]:
    """Yield the table of members."""
    if not page.members:
        yield Line(f"No member in namespace {page.namespace}. To add one: kubectl tenure invite ADDRESS --role ROLE")
        return
    header = ("NAME", "SUBJECT", "KIND", "ROLE", "KEYS", "ROLE CHANGED", "SUSPENDED", "MANAGED BY", "STATE")
    rows = [
        (
            Cell(row.name, STRONG),
            row.subject,
            row.kind.value,
            row.role.value,
            UNKNOWN if row.keys is None else str(row.keys),
            NONE if row.role_changed_at is None else f"{age(row.role_changed_at, page.now)} ago, was {row.former_role}",
            _truth(row.suspended),
            Cell(row.managed_by, "" if row.by_hand else CAREFUL),
            row.state or UNKNOWN,
        )
        for row in page.members
    ]
    yield Table(header, rows)
    if page.suspended:
        yield Line(ALL_SUSPENDED, CAREFUL)


def keys_text(page: KeysPage, *, unused: bool = False) -> Iterator[Block]:
    """Yield the table of keys."""
    if not page.keys:
        yield Line(f"No such key in namespace {page.namespace}.")
    else:
        header = ("NAME", "MEMBER", "ROLE", "STATE", "AGE", "EXPIRES", "LAST USE", "FORMER TOKEN", "ABOUT")
        yield Table(header, [_key(row, page.now) for row in page.keys])
    if unused and page.use_known_since is None:
        yield Line("Tenure doesn't know at present when keys are used, so it calls none of them unused.", CAREFUL)


def preview_text(page: PreviewPage, *, applying: bool = False) -> Iterator[Block]:
    """Yield what a role change or a removal does, and how to make it unless it is made now."""
    what = "removed" if page.to_role is None else f"{page.from_role} -> {page.to_role}"
    yield Line(f"{page.member} ({page.subject}), {page.kind}: {what}", STRONG)
    if page.keys:
        header = ("KEY", "BECOMES", "KEY ID", "AGE", "LAST USE", "ABOUT")
        yield Table(header, [_fate(one, page.now) for one in page.keys])
    yield Line(summary(page), BAD if page.edit.revokes else GOOD)
    yield from (Line(f"- {one}") for one in page.remarks)
    verdict = page.verdict
    if verdict is not None and verdict.allowed:
        yield Line(ACCEPTED, GOOD)
        if page.approvals:
            yield Line(TRIED_ALONE, QUIET)
    elif verdict is not None:
        yield Line(REJECTED, BAD)
        yield from (Line(f"  {line}") for line in verdict.message.splitlines())
    yield Line()
    if page.acknowledgement:
        yield Line(f'The acknowledgement:  {ANNOTATION}: "{page.acknowledgement}"')
    if applying and verdict is not None and verdict.allowed and all(edit.stays for edit in page.edits):
        return
    for edit in page.edits:
        rejected = verdict is not None and not verdict.allowed
        yield from edit_text(edit, applied=False, rejected=rejected, applying=applying)
    if manifests := [edit.manifest for edit in page.edits if edit.stays and edit.manifest is not None]:
        yield Line("As YAML, with the fields that change:")
        yield Code(as_yaml(*manifests))


def edits_text(page: EditsPage) -> Iterator[Block]:
    """Yield the changes of a command."""
    for edit in page.changes:
        yield from edit_text(edit, applied=page.applied)


def edit_text(edit: Edit, *, applied: bool, rejected: bool = False, applying: bool = False) -> Iterator[Block]:
    """Yield a change, and how to make it where the object is managed."""
    yield Line(f"{edit}: {edit.summary}", STRONG)
    if applied:
        yield Line("Done.", GOOD)
        return
    if edit.stays:
        again = "repeat this" if applying else "add --apply"
        advice = f"Once the cluster accepts it, {again}, or run:" if rejected else "Add --apply, or run:"
        yield Line(
            f"People manage this object by hand. {advice}"
            if edit.by_hand
            else f"Managed by {edit.managed_by}, which leaves fields alone that Git doesn't have. {advice}"
        )
        yield Code(f"  {edit.command}")
        return
    yield Line(f"Managed by {edit.managed_by}. {in_git(edit)}", CAREFUL)
    if edit.manifest is not None:
        yield Code(as_yaml(edit.manifest))


def invitations_text(page: InvitationsPage) -> Iterator[Block]:
    """Yield the new Memberships as YAML, or the result."""
    if page.applied:
        yield from (Line(f"{edit}: {edit.summary}. Done.", GOOD) for edit in page.invitations)
    else:
        documents = [edit.manifest for edit in page.invitations]
        yield from [Code(as_yaml(*documents))] if documents else []


def whoami_text(page: WhoamiPage) -> Iterator[Block]:
    """Yield who the caller is."""
    yield Line(page.username, STRONG)
    yield Line(f"groups: {', '.join(page.groups) or NONE}", QUIET)
    where = "any namespace" if page.searched is None else f"namespace {', '.join(page.searched)}"
    if not page.memberships:
        yield Line(f"You have no Membership in {where}. Ask an Owner for one.")
        return
    header = ("ORGANIZATION", "NAMESPACE", "MEMBER", "ROLE", "STATE", "SUSPENDED", "KEYS")
    yield Table(header, [_tenure(one) for one in page.memberships])
    yield from (Line(f"{one.member}: {one.message}", CAREFUL) for one in page.memberships if one.message)
    if page.searched is not None:
        yield Line(f"You may not list Memberships in all namespaces, so only {where} was searched.", QUIET)


def can_text(page: CanPage) -> Iterator[Block]:
    """Yield whether the caller has a capability, and why."""
    answer = Line("yes", GOOD) if page.allowed else Line("no", BAD)
    yield answer
    yield Line(page.reason)
    if page.kubernetes is not None and page.kubernetes is not page.allowed:
        granted = "allows it" if page.kubernetes else "doesn't allow it"
        yield Line(f"RBAC of Kubernetes {granted}, by rights that aren't from this role.", CAREFUL)


def history_text(page: HistoryPage) -> Iterator[Block]:
    """Yield the table of role changes."""
    header = ("WHEN", "BY", "COMMIT", "MEMBER", "FROM", "TO", "REVOKED", "REISSUED", "ACKNOWLEDGED BY")
    rows = [
        (
            format_time(row.at),
            row.by,
            row.commit[:_SHORT_ID],
            Cell(f"{row.namespace}/{row.member}", STRONG),
            row.from_role.value if row.from_role else NONE,
            row.to_role.value if row.to_role else "removed",
            Cell(", ".join(row.revoked) or NONE, BAD if row.revoked else ""),
            ", ".join(row.reissued) or NONE,
            (row.acknowledged_by or "")[:_SHORT_ID] or NONE,
        )
        for row in page.rows
    ]
    yield Table(header, rows) if rows else Line("No change of a member was found.")
    yield from (Line(one, CAREFUL) for one in _unread(page.unread))


def _unread(unread: Sequence[str]) -> Iterator[str]:
    """Yield a line for each reason. A file that can't be read is in many commits, which would hide the table."""
    commits: dict[str, list[str]] = {}
    for one in unread:
        commit, _, reason = one.partition(": ")
        commits.setdefault(reason, []).append(commit)
    for reason, (first, *others) in commits.items():
        yield f"not read: {first}{f' and {len(others)} more' if others else ''}: {reason}"


def _key(row: KeyRow, now: datetime) -> Sequence[Cell | str]:
    return (
        Cell(row.name, STRONG),
        row.member,
        row.role.value if row.role else NONE,
        Cell(row.state or UNKNOWN, GOOD if row.works else BAD),
        age(row.issued_at, now),
        remaining(row.expires_at, now) if row.issued_at else NONE,
        row.use,
        NONE if row.former is None else f"valid for {remaining(row.former.ends_at, now).removeprefix('in ')}",
        about(row),
    )


def _fate(one: KeyFate, now: datetime) -> Sequence[Cell | str]:
    return (
        Cell(one.key.name, STRONG),
        Cell(one.becomes, _FATES[one.fate]),
        one.key_ids or NONE,
        age(one.key.issued_at, now),
        one.key.use,
        about(one.key),
    )


def _tenure(one: Tenure) -> Sequence[Cell | str]:
    keys = UNKNOWN if one.keys is None else ", ".join(key.name for key in one.keys)
    state = Cell("in force", GOOD) if one.in_force else Cell("not in force", BAD)
    return one.organization, one.namespace, Cell(one.member, STRONG), one.role.value, state, _truth(one.suspended), keys


def _truth(value: bool | None) -> Cell:  # noqa: FBT001 - a value of a table
    if value is None:
        return Cell(UNKNOWN)
    return Cell("yes", BAD) if value else Cell("no")
