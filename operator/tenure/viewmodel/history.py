"""The page of role changes in a Git repository: when, who merged them, and which keys they revoked."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.impact.compare import compare
from tenure.domain.impact.members import Impact
from tenure.domain.impact.tree import Address, Tree
from tenure.domain.resources import Membership
from tenure.domain.roles import Role


@dataclass(frozen=True)
class Commit:
    """A commit on the main line, which is mostly a merge.

    Attributes:
        by: Who merged or committed it.
    """

    id: str
    at: datetime
    by: str
    subject: str


@dataclass(frozen=True)
class Step:
    """A commit with the manifests before and after it.

    Attributes:
        find_origin: Returns the id of the commit that brought a text into a file, or an empty text.
    """

    commit: Commit
    before: Tree
    after: Tree
    find_origin: Callable[[str, str], str]


@dataclass(frozen=True)
class HistoryRow:
    """A member who was added, removed, or got another role.

    Attributes:
        from_role: The role before, or None for a new member.
        to_role: The role after, or None for a member who was removed.
        acknowledgement: The annotation that acknowledged the keys, or None if there is none.
        acknowledged_by: The commit that brought the annotation, or None.
    """

    at: datetime
    by: str
    commit: str
    subject: str
    namespace: str
    member: str
    from_role: Role | None
    to_role: Role | None
    revoked: tuple[str, ...]
    reissued: tuple[str, ...]
    acknowledgement: str | None
    acknowledged_by: str | None


@dataclass(frozen=True)
class HistoryPage:
    """Changes of members, the latest first.

    Attributes:
        unread: Commits whose manifests can't be read, each as its id, a colon and the reason.
    """

    rows: tuple[HistoryRow, ...]
    unread: tuple[str, ...] = ()


def history_page(steps: Iterable[Step], member: str = "") -> HistoryPage:
    """Return the changes of all members, or of one, in the order of the steps."""
    rows = tuple(row for step in steps for row in _rows(step) if member in ("", row.member))
    return HistoryPage(rows)


def _rows(step: Step) -> Iterator[HistoryRow]:
    commit = step.commit
    before, after = _of_changed(step)
    for impact in compare(before, after, commit.at, schema=lambda *_: ()).members:
        if impact.old_role is impact.new_role:
            continue
        acknowledgement = _acknowledgement(step, impact)
        origin = step.find_origin(impact.file, acknowledgement) if acknowledgement else ""
        yield HistoryRow(
            at=commit.at,
            by=commit.by,
            commit=commit.id,
            subject=commit.subject,
            namespace=impact.member.namespace,
            member=impact.member.name,
            from_role=impact.old_role,
            to_role=impact.new_role,
            revoked=impact.revoked,
            reissued=impact.reissued if impact.old_role is not None else (),
            acknowledgement=acknowledgement,
            acknowledged_by=origin or None,
        )


def _of_changed(step: Step) -> tuple[Tree, Tree]:
    """Return both trees with the keys of the members who changed. A commit changes few, and all others keep theirs."""
    trees = step.before, step.after
    members = {
        address
        for address in (*step.before.memberships, *step.after.memberships)
        if step.before.body_of(Membership, address) != step.after.body_of(Membership, address)
    }
    keys = [key for tree in trees for one in members for key in tree.keys_at_stake(one)]
    at_stake = {Address(key.namespace, key.name) for key in keys}
    before, after = (tree.with_keys_of(Tree(), tree.api_keys.keys() - at_stake) for tree in trees)
    return before, after


def _acknowledgement(step: Step, impact: Impact) -> str | None:
    """Return the annotation that the change set, or None if it is from an earlier change."""
    before, after = (
        (tree.body_of(Membership, impact.member).get("metadata") or {}).get("annotations") or {}
        for tree in (step.before, step.after)
    )
    found: str | None = after.get(ANNOTATION)
    return found if found != before.get(ANNOTATION) else None
