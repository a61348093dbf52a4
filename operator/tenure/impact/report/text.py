"""The impact as text for a terminal and for the log of a CI system."""

from collections.abc import Iterable, Iterator

from tenure.domain.impact.compare import Comparison
from tenure.domain.impact.keys import KeyChange
from tenure.domain.impact.members import Impact
from tenure.domain.impact.organizations import OrganizationChange, OrganizationRemoval
from tenure.domain.impact.tokens import LostToken
from tenure.domain.impact.tree import Address
from tenure.domain.text import printable
from tenure.impact.report.safe import defused
from tenure.impact.report.words import (
    NOTHING,
    facts,
    hand_over,
    key_facts,
    member_remarks,
    object_change,
    object_remarks,
    removal_remarks,
    role_change,
    summary,
)


def as_text(comparison: Comparison) -> str:
    """Render the comparison as lines for a terminal."""
    blocks = [
        *(_member(comparison, impact) for impact in comparison.members),
        *(_removal(comparison, gone) for gone in comparison.removals),
        *(_organization(comparison, change) for change in comparison.organizations),
        *(_key(comparison, change) for change in comparison.own_keys),
        *([_tokens(comparison, comparison.other_tokens)] if comparison.other_tokens else []),
    ]
    lines = [line for block in blocks for line in block]
    return defused("\n".join([*lines, summary(comparison), ""]) if lines else f"{NOTHING}\n")


def _member(comparison: Comparison, impact: Impact) -> Iterator[str]:
    yield _headed(f"{impact.member}  {role_change(impact)}", impact.file)
    width = max((len(name) for name in (*impact.revoked, *impact.reissued)), default=0)
    for name in impact.revoked:
        key = Address(impact.member.namespace, name)
        yield _line("revoked", key, width, key_facts(comparison, key, facts(impact, name)))
    for name in impact.reissued:
        key = Address(impact.member.namespace, name)
        note = f"new token, with the rights of {impact.new_role}"
        yield _line("reissued", key, width, key_facts(comparison, key, note, impact.uses.get(name, "")))
    yield from (f"  {remark}" for remark in member_remarks(impact))


def _removal(comparison: Comparison, gone: OrganizationRemoval) -> Iterator[str]:
    yield _headed(f"{gone.organization}  Organization removed", gone.file)
    keys = [Address(gone.organization.namespace, name) for name in gone.revoked]
    width = max((len(key.name) for key in keys), default=0)
    yield from (_line("revoked", key, width, key_facts(comparison, key, "")) for key in keys)
    yield from (f"  {remark}" for remark in removal_remarks(gone))


def _organization(comparison: Comparison, change: OrganizationChange) -> Iterator[str]:
    yield _headed(f"{change.organization}  {object_change('Organization', change)}", change.file)
    yield from _tokens(comparison, change.tokens)
    yield from (f"  {remark}" for remark in object_remarks(change))


def _key(comparison: Comparison, change: KeyChange) -> Iterator[str]:
    yield _headed(f"{change.key}  {object_change('ApiKey', change)}", change.file)
    if change.hand_over is not None:
        yield f"  hands over  {change.key.name}   {hand_over(change.hand_over, '   ')}"
    yield from _tokens(comparison, [change.token] if change.token and not change.hand_over else [])
    yield from (f"  {remark}" for remark in object_remarks(change))


def _tokens(comparison: Comparison, tokens: Iterable[LostToken]) -> Iterator[str]:
    listed = list(tokens)
    width = max((len(token.key.name) for token in listed), default=0)
    for token in listed:
        note = key_facts(comparison, token.key, "new token" if token.reissued else token.key_id, token.use)
        yield _line(token.fate, token.key, width, note)


def _line(fate: str, key: Address, width: int, note: str) -> str:
    return f"  {fate:<9} {key.name:<{width}}   Secret {key}   {note}".rstrip()


def _headed(head: str, file: str) -> str:
    return f"{head:<62} {printable(file)}".rstrip()
