"""The impact as text for a terminal, Markdown for a pull request, or JSON for programs."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum

from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.admission.impact import Impact


class OutputFormat(StrEnum):
    """How the impact is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def as_text(impacts: Sequence[Impact]) -> str:
    """Lines for a terminal."""
    if not impacts:
        return "no Membership changes\n"
    blocks = ["\n".join(_block(impact)) for impact in impacts]
    return "\n".join([*blocks, _summary(impacts), ""])


def as_markdown(impacts: Sequence[Impact]) -> str:
    """A comment on a pull request."""
    if not impacts:
        return "**Tenure:** no Membership changes.\n"
    lines = ["### Tenure: what this change does to keys", "", "| Member | Change | Ends | Goes on | Stays |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for impact in impacts:
        names = [", ".join(f"`{name}`" for name in group) for group in (impact.ends, impact.goes_on, impact.stays)]
        lines.append(f"| `{impact.member}` | {_change(impact)} | {' | '.join(names)} |")
    lines.append("")
    for impact in impacts:
        lines += [f"- `{impact.member}`: {remark}" for remark in _remarks(impact)]
    return "\n".join([*lines, "", f"**{_summary(impacts)}**", ""])


def as_json(impacts: Sequence[Impact]) -> str:
    """One object for programs."""
    document = {
        "passes": all(impact.passes for impact in impacts),
        "changes": [
            {
                "namespace": impact.member.namespace,
                "membership": impact.member.name,
                "subject": impact.subject,
                "from": impact.old_role,
                "to": impact.new_role,
                "file": impact.file,
                "ends": impact.ends,
                "goesOn": impact.goes_on,
                "stays": impact.stays,
                "leftBehind": impact.left_behind,
                "missingAcknowledgement": impact.acknowledgement,
                "refusals": impact.refusals,
            }
            for impact in impacts
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _block(impact: Impact) -> Iterator[str]:
    head = f"{impact.member}  {_change(impact)}"
    yield f"{head:<62} {impact.file}".rstrip()
    width = max((len(name) for name in (*impact.ends, *impact.goes_on)), default=0)
    secret = f"Secret {impact.member.namespace}/"
    for name in impact.ends:
        yield f"  ends      {name:<{width}}   {secret}{name}"
    for name in impact.goes_on:
        yield f"  goes on   {name:<{width}}   {secret}{name}   new token, the rights of {impact.new_role}"
    for remark in _remarks(impact):
        yield f"  {remark}"


def _change(impact: Impact) -> str:
    if impact.new_role is None:
        return "removed"
    if impact.old_role is None:
        return f"new, {impact.new_role}"
    return f"{impact.old_role} -> {impact.new_role}"


def _remarks(impact: Impact) -> Iterator[str]:
    if impact.stays and impact.new_role is not None and not impact.is_person:
        goes = "1 key goes" if len(impact.stays) == 1 else f"{len(impact.stays)} keys go"
        yield f"service account: {goes} on, with the rights of {impact.new_role}"
    for name, file in impact.left_behind.items():
        yield f"{name} stays in {file} and will wait for ever: remove it too"
    for refusal in impact.refusals:
        yield f"refused: {refusal}"
    if impact.acknowledgement is not None:
        yield f'not acknowledged; add the annotation   {ANNOTATION}: "{impact.acknowledgement}"'


def _summary(impacts: Sequence[Impact]) -> str:
    missing = sum(impact.acknowledgement is not None for impact in impacts)
    refused = sum(bool(impact.refusals) for impact in impacts)
    ended = sum(len(impact.ends) for impact in impacts)
    parts = ["1 key ends" if ended == 1 else f"{ended or 'no'} keys end"]
    if missing:
        parts.append(f"{missing} change{'s' if missing > 1 else ''} not acknowledged")
    if refused:
        parts.append(f"{refused} change{'s' if refused > 1 else ''} refused")
    return "; ".join(parts)


REPORTS: Mapping[OutputFormat, Callable[[Sequence[Impact]], str]] = {
    OutputFormat.TEXT: as_text,
    OutputFormat.MARKDOWN: as_markdown,
    OutputFormat.JSON: as_json,
}
