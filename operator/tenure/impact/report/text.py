"""The impact as text for a terminal and for the log of a CI system."""

from collections.abc import Iterable, Iterator, Mapping

from tenure.domain.impact.compare import Comparison
from tenure.domain.impact.keys import KeyChange
from tenure.domain.impact.members import Impact
from tenure.domain.impact.organizations import OrganizationChange, OrganizationRemoval
from tenure.domain.impact.tokens import LostToken
from tenure.impact.report.safe import defused, printable
from tenure.impact.report.words import (
    NOTHING,
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
        *map(_member, comparison.members),
        *map(_removal, comparison.removals),
        *map(_organization, comparison.organizations),
        *map(_key, comparison.own_keys),
        *([_tokens(comparison.other_tokens)] if comparison.other_tokens else []),
    ]
    lines = [line for block in blocks for line in block]
    return defused("\n".join([*lines, summary(comparison), ""]) if lines else f"{NOTHING}\n")


def _member(impact: Impact) -> Iterator[str]:
    yield _headed(f"{impact.member}  {role_change(impact)}", impact.file)
    width = max((len(name) for name in (*impact.revoked, *impact.reissued)), default=0)
    namespace = impact.member.namespace
    yield from (_line("revoked", namespace, name, width, impact.key_ids.get(name, "")) for name in impact.revoked)
    note = f"new token, with the rights of {impact.new_role}"
    yield from (_line("reissued", namespace, name, width, note) for name in impact.reissued)
    yield from (f"  {remark}" for remark in member_remarks(impact))


def _removal(gone: OrganizationRemoval) -> Iterator[str]:
    yield _headed(f"{gone.organization}  Organization removed", gone.file)
    width = max((len(name) for name in gone.revoked), default=0)
    yield from (_line("revoked", gone.organization.namespace, name, width) for name in gone.revoked)
    yield from (f"  {remark}" for remark in removal_remarks(gone))


def _organization(change: OrganizationChange) -> Iterator[str]:
    yield _headed(f"{change.organization}  {object_change('Organization', change)}", change.file)
    yield from _tokens(change.tokens)
    yield from (f"  {remark}" for remark in object_remarks(change))


def _key(change: KeyChange) -> Iterator[str]:
    yield _headed(f"{change.key}  {object_change('ApiKey', change)}", change.file)
    yield from _tokens([change.token] if change.token else [])
    yield from (f"  {remark}" for remark in object_remarks(change))


def _tokens(tokens: Iterable[LostToken]) -> Iterator[str]:
    names: Mapping[str, LostToken] = {token.key.name: token for token in tokens}
    width = max(map(len, names), default=0)
    for name, token in names.items():
        note = "new token" if token.reissued else token.key_id
        yield _line(token.fate, token.key.namespace, name, width, note)


def _line(fate: str, namespace: str, name: str, width: int, note: str = "") -> str:
    return f"  {fate:<9} {name:<{width}}   Secret {namespace}/{name}   {note}".rstrip()


def _headed(head: str, file: str) -> str:
    return f"{head:<62} {printable(file)}".rstrip()
