"""Sentences about keys and changes, which the command and the console say alike."""

from tenure.domain.listing import traits
from tenure.domain.resources import Organization
from tenure.viewmodel.edits import Action, Edit
from tenure.viewmodel.keys import KeyRow
from tenure.viewmodel.preview import Fate, PreviewPage
from tenure.viewmodel.words import NONE

ACCEPTED = "The cluster would accept this change."
REJECTED = "The cluster would reject this change:"
ALL_SUSPENDED = "All keys of the organization are suspended, so none of them works."
TRIED_ALONE = (
    "The cluster tries each change by itself. So its warnings count the keys that you keep as revoked, although they "
    "get a new token."
)


def about(row: KeyRow) -> str:
    """Return what else there is to say about a key."""
    approved = [f"for {row.for_role}"] if row.for_role else []
    approved += [f"token of {row.holder}"] if row.holder != row.member else []
    return ", ".join([*approved, *traits(row.capabilities, row.description)]) or NONE


def summary(page: PreviewPage) -> str:
    """Return what a change does to keys."""
    counts = {
        "revoked": len(dead_keys(page)),
        "reissued with a new token": len(page.names(Fate.REISSUED)),
        f"handed over, whose former token of {page.member} is revoked": len(page.handed_over),
    }
    parts = [f"{_count(number)} {what}" for what, number in counts.items() if number]
    if not parts:
        return "No key is revoked."
    which = "these" if page.handed_over else "the present"
    return f"{', '.join(parts)}. Programs that use {which} tokens stop working immediately."


def dead_keys(page: PreviewPage) -> list[str]:
    """Return the names of the keys that don't work any more after a change."""
    return [name for name in page.names(Fate.REVOKED) if name not in page.handed_over]


def in_git(edit: Edit) -> str:
    """Return what to do in Git where a tool manages the object."""
    match edit.action:
        case Action.DELETE:
            return "Remove it there: delete its file in Git."
        case Action.CREATE:
            return "Create it there: add this file in Git."
        case Action.CHANGE:
            return "Change it there: put these fields into its file in Git."


def at_once(row: KeyRow) -> str:
    """Return what a reissue or a revocation does to programs that use a key."""
    tokens = [one for one in (row.key_id, row.former.key_id if row.former else None) if one]
    if not tokens:
        return "The key has no token, so no program stops working."
    which = "its token" if len(tokens) == 1 else "both of its tokens"
    return f"Programs that use {which} ({' '.join(tokens)}) stop working immediately. Last use: {row.use}."


def who_lifts(edit: Edit) -> str:
    """Return who may lift a suspension, which the webhook decides."""
    if edit.kind == Organization.kind:
        return f"People who may patch Organization {edit.name} can lift it, as Owners can."
    return (
        "People who may grant the role of the key's member can lift it, as Owners can. Other members can't lift the "
        "suspension of their own keys."
    )


def _count(number: int) -> str:
    return "1 key" if number == 1 else f"{number} keys"
