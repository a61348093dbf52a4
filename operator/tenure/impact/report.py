"""The impact as text for a terminal, Markdown for a pull request, or JSON for programs."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.admission.verdict import join_names
from tenure.domain.impact.compare import Comparison, Impact, OrganizationRemoval
from tenure.domain.policy import WhenKeysExist
from tenure.impact.formats import OutputFormat

_NOTHING = "No Membership changes"


def as_text(comparison: Comparison) -> str:
    """Render the comparison as lines for a terminal."""
    blocks = ["\n".join(_block(impact)) for impact in comparison.members]
    blocks += ["\n".join(_removal(gone)) for gone in comparison.organizations]
    return "\n".join([*blocks, _summary(comparison), ""]) if blocks else f"{_NOTHING}\n"


def as_markdown(comparison: Comparison) -> str:
    """Render the comparison as a comment on a pull request."""
    if not comparison.members and not comparison.organizations:
        return f"**Tenure:** {_NOTHING}.\n"
    lines = ["### Tenure: what this change does to keys", "", "| Member | Change | Revoked | Reissued | Unchanged |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for impact in comparison.members:
        names = [_quoted(group, impact.key_ids) for group in (impact.revoked, impact.reissued, impact.kept)]
        lines.append(f"| `{impact.member}` | {_change(impact)} | {' | '.join(names)} |")
    lines += [
        f"| all of `{gone.organization}` | Organization removed | {_quoted(gone.revoked)} |  |  |"
        for gone in comparison.organizations
    ]
    remarks = [
        *(f"- `{impact.member}`: {one}" for impact in comparison.members for one in _remarks(impact, code="`")),
        *(f"- `{gone.organization}`: {one}" for gone in comparison.organizations for one in _complaints(gone)),
    ]
    blocks = [lines, remarks, [f"**{_summary(comparison)}**"]]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def as_json(comparison: Comparison) -> str:
    """Render the comparison as one JSON object for programs."""
    document = {
        "passes": comparison.passes,
        "changes": [_change_fields(impact) for impact in comparison.members],
        "removedOrganizations": [
            {
                "namespace": gone.organization.namespace,
                "organization": gone.organization.name,
                "file": gone.file,
                "ends": gone.revoked,
                "stranded": gone.stranded,
                "refusals": gone.refusals,
                "passes": gone.passes,
            }
            for gone in comparison.organizations
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _change_fields(impact: Impact) -> dict[str, Any]:
    return {
        "namespace": impact.member.namespace,
        "membership": impact.member.name,
        "subject": impact.subject,
        "from": impact.old_role,
        "to": impact.new_role,
        "file": impact.file,
        "whenKeysExist": impact.when_keys_exist,
        "ends": impact.revoked,
        "goesOn": impact.reissued,
        "stays": impact.kept,
        "keyIds": impact.key_ids,
        "leftBehind": impact.left_behind,
        "remark": impact.remark or None,
        "missingAcknowledgement": impact.acknowledgement,
        "acknowledgementFlaw": impact.flaw or None,
        "refusals": impact.refusals,
        "passes": impact.passes,
        "isRefused": impact.is_refused,
    }


def _block(impact: Impact) -> Iterator[str]:
    yield _headed(f"{impact.member}  {_change(impact)}", impact.file)
    width = max((len(name) for name in (*impact.revoked, *impact.reissued)), default=0)
    secret = f"Secret {impact.member.namespace}/"
    for name in impact.revoked:
        yield f"  revoked   {name:<{width}}   {secret}{name}   {impact.key_ids.get(name, '')}".rstrip()
    for name in impact.reissued:
        yield f"  reissued  {name:<{width}}   {secret}{name}   new token, with the rights of {impact.new_role}"
    for remark in _remarks(impact):
        yield f"  {remark}"


def _removal(gone: OrganizationRemoval) -> Iterator[str]:
    yield _headed(f"{gone.organization}  Organization removed", gone.file)
    width = max((len(name) for name in gone.revoked), default=0)
    for name in gone.revoked:
        yield f"  revoked   {name:<{width}}   Secret {gone.organization.namespace}/{name}"
    for complaint in _complaints(gone):
        yield f"  {complaint}"


def _complaints(gone: OrganizationRemoval) -> Iterator[str]:
    if gone.stranded:
        yield f"Memberships without an Organization afterwards: {join_names(gone.stranded)}. Remove them too."
    for refusal in gone.refusals:
        yield f"rejected: {refusal}"


def _headed(head: str, file: str) -> str:
    return f"{head:<62} {file}".rstrip()


def _quoted(names: tuple[str, ...], key_ids: Mapping[str, str] | None = None) -> str:
    known = key_ids or {}
    return ", ".join(f"`{name}` ({known[name]})" if name in known else f"`{name}`" for name in names)


def _change(impact: Impact) -> str:
    if impact.new_role is None:
        return "removed"
    if impact.old_role is None:
        return f"new, {impact.new_role}"
    if impact.old_role is impact.new_role:
        return f"{impact.new_role} as before"
    return f"{impact.old_role} -> {impact.new_role}"


def _remarks(impact: Impact, code: str = "") -> Iterator[str]:
    """Yield the remarks on a member as sentences. `code` is put around a text that you copy, such as a backtick."""
    if impact.kept and impact.new_role is not None and not impact.is_person:
        keys = "1 key" if len(impact.kept) == 1 else f"{len(impact.kept)} keys"
        yield f"service account: keeps {keys}, with the rights of {impact.new_role}"
    for name, file in impact.left_behind.items():
        place = f"in {file}" if file else "in the cluster"
        yield f"ApiKey {name} is still {place}. Remove it too, because its Membership is gone."
    if impact.remark:
        yield impact.remark
    for refusal in impact.refusals:
        yield f"rejected: {refusal}"
    if impact.acknowledgement is not None:
        line = f'{code}{ANNOTATION}: "{impact.acknowledgement}"{code}'
        yield from [impact.flaw] if impact.flaw else []
        yield f"not acknowledged. Add this annotation:   {line}"
        if impact.when_keys_exist is WhenKeysExist.WARN:
            yield "The organization only warns (whenKeysExist: Warn), so the change is allowed without the annotation."


def _summary(comparison: Comparison) -> str:
    members, organizations = comparison.members, comparison.organizations
    missing = sum(one.acknowledgement is not None for one in members)
    refused = sum(map(bool, [*(one.refusals for one in members), *(one.refusals for one in organizations)]))
    ended = sum(map(len, [*(one.revoked for one in members), *(one.revoked for one in organizations)]))
    parts = ["1 key revoked" if ended == 1 else f"{ended or 'no'} keys revoked"]
    if missing:
        parts.append(f"{missing} change{'s' if missing > 1 else ''} not acknowledged")
    if refused:
        parts.append(f"{refused} change{'s' if refused > 1 else ''} rejected")
    return ", ".join(parts)


REPORTS: Mapping[OutputFormat, Callable[[Comparison], str]] = {
    OutputFormat.TEXT: as_text,
    OutputFormat.MARKDOWN: as_markdown,
    OutputFormat.JSON: as_json,
}
