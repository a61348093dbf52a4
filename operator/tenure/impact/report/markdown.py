"""The impact as Markdown, for a comment on a pull request."""

from collections.abc import Iterable, Iterator, Mapping

from tenure.domain.impact.compare import Comparison
from tenure.domain.impact.tokens import LostToken
from tenure.domain.impact.tree import Address
from tenure.impact.report.safe import as_prose, defused
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


def as_markdown(comparison: Comparison) -> str:
    """Render the comparison as a comment on a pull request."""
    rows, remarks = list(_rows(comparison)), list(_remarks(comparison))
    if not rows:
        return f"**Tenure:** {NOTHING}.\n"
    head = ["### Tenure: what this change does to keys", "", "| Member | Change | Revoked | Reissued | Unchanged |"]
    blocks = [[*head, "| --- | --- | --- | --- | --- |", *rows], remarks, [f"**{summary(comparison)}**"]]
    return defused("\n\n".join("\n".join(block) for block in blocks if block) + "\n")


def _rows(comparison: Comparison) -> Iterator[str]:
    for impact in comparison.members:
        place, known = (
            impact.member.namespace,
            {name: facts(impact, name) for name in (*impact.revoked, *impact.reissued)},
        )
        names = [_quoted(comparison, place, group, known) for group in (impact.revoked, impact.reissued, impact.kept)]
        yield f"| `{impact.member}` | {role_change(impact)} | {' | '.join(names)} |"
    for gone in comparison.removals:
        revoked = _quoted(comparison, gone.organization.namespace, gone.revoked)
        yield f"| all of `{gone.organization}` | Organization removed | {revoked} |  |  |"
    for organization in comparison.organizations:
        what = object_change("Organization", organization)
        yield f"| all of `{organization.organization}` | {what} | {_lost(comparison, organization.tokens)} |  |"
    for key in comparison.own_keys:
        member = f"{key.key.namespace}/{key.member}"
        tokens = [key.token] if key.token and not key.hand_over else []
        yield f"| `{member}` | {object_change(f'ApiKey `{key.key.name}`', key)} | {_lost(comparison, tokens)} |  |"
    for token in comparison.other_tokens:
        yield f"| `{token.key.namespace}/{token.member}` |  | {_lost(comparison, [token])} |  |"


def _remarks(comparison: Comparison) -> Iterator[str]:
    for impact in comparison.members:
        yield from (f"- `{impact.member}`: {one}" for one in member_remarks(impact, as_prose, code="`"))
    for gone in comparison.removals:
        yield from (f"- `{gone.organization}`: {one}" for one in removal_remarks(gone, as_prose))
    for organization in comparison.organizations:
        yield from (f"- `{organization.organization}`: {one}" for one in object_remarks(organization, as_prose))
    for key in comparison.own_keys:
        if key.hand_over is not None:
            yield f"- `{key.key}`: hands over {as_prose(hand_over(key.hand_over, ': '))}"
        yield from (f"- `{key.key}`: {one}" for one in object_remarks(key, as_prose))


def _lost(comparison: Comparison, tokens: Iterable[LostToken]) -> str:
    """Return the cells of the revoked and of the reissued keys. A suspended key is among the revoked ones."""
    lost = list(tokens)
    revoked = [_named(comparison, one) for one in lost if not one.reissued]
    reissued = [_told(comparison, one.key, one.use) for one in lost if one.reissued]
    return f"{', '.join(revoked)} | {', '.join(reissued)}"


def _named(comparison: Comparison, token: LostToken) -> str:
    name = _told(comparison, token.key, token.key_id, token.use)
    return f"{name} (suspended)" if token.fate == "suspended" else name


def _quoted(
    comparison: Comparison, namespace: str, names: tuple[str, ...], facts_of: Mapping[str, str] | None = None
) -> str:
    known = facts_of or {}
    return ", ".join(_told(comparison, Address(namespace, name), known.get(name, "")) for name in names)


def _told(comparison: Comparison, key: Address, *told: str) -> str:
    facts = key_facts(comparison, key, *told, prose=as_prose)
    return f"`{key.name}` ({facts})" if facts else f"`{key.name}`"
