"""The words that the formats for people share."""

from collections.abc import Callable, Iterator

from tenure.domain.admission.acknowledgement import ANNOTATION
from tenure.domain.admission.verdict import join_names
from tenure.domain.impact.compare import Comparison
from tenure.domain.impact.keys import HandOver, KeyChange
from tenure.domain.impact.members import Impact
from tenure.domain.impact.organizations import OrganizationChange, OrganizationRemoval
from tenure.domain.impact.tree import Address
from tenure.domain.listing import traits
from tenure.domain.policy import WhenKeysExist
from tenure.domain.text import printable

NOTHING = "No key is revoked, and nothing is rejected"

Prose = Callable[[str], str]
"""Makes a text safe for a format."""


def role_change(impact: Impact) -> str:
    """Return what happens to a member."""
    if impact.new_role is None:
        return "removed"
    if impact.old_role is None:
        return f"new, {impact.new_role}"
    if impact.old_role is impact.new_role:
        return f"{impact.new_role} as before"
    return f"{impact.old_role} -> {impact.new_role}"


def object_change(kind: str, change: KeyChange | OrganizationChange) -> str:
    """Return what happens to an ApiKey or an Organization, and to which of its fields."""
    fields = f": {', '.join(change.fields)}" if change.fields else ""
    return f"{kind} {change.change}{fields}"


def hand_over(change: HandOver, separator: str) -> str:
    """Return from whom to whom a key passes, and how long the former token stays valid."""
    return separator.join(filter(None, (f"{change.former} → {change.member}", change.outlook)))


def key_facts(comparison: Comparison, key: Address, *told: str, prose: Prose = printable) -> str:
    """Return what the reports say of a key besides its name: what is `told`, its limits and its description."""
    described = comparison.described.get(key)
    own = [] if described is None else traits(described.spec.capabilities, described.spec.description)
    return ", ".join([*filter(None, told), *map(prose, own)])


def member_remarks(impact: Impact, prose: Prose = printable, code: str = "") -> Iterator[str]:
    """Yield the remarks on a member as sentences. `code` is put around a text that you copy, such as a backtick."""
    if impact.kept and impact.new_role is not None and not impact.is_person:
        keys = "1 key" if len(impact.kept) == 1 else f"{len(impact.kept)} keys"
        yield f"service account: keeps {keys}, with the rights of {impact.new_role}"
    for name, file in impact.left_behind.items():
        place = f"in {prose(file)}" if file else "in the cluster"
        yield f"ApiKey {name} is still {place}. Remove it too, because its Membership is gone."
    yield from map(prose, impact.remarks)
    yield from (f"rejected: {prose(refusal)}" for refusal in impact.refusals)
    if impact.acknowledgement is not None:
        line = f'{code}{ANNOTATION}: "{impact.acknowledgement}"{code}'
        yield from [prose(impact.flaw)] if impact.flaw else []
        yield f"not acknowledged. Add this annotation:   {line}"
        if impact.when_keys_exist is WhenKeysExist.WARN:
            yield "The organization only warns (whenKeysExist: Warn), so the change is allowed without the annotation."


def removal_remarks(gone: OrganizationRemoval, prose: Prose = printable) -> Iterator[str]:
    """Yield the remarks on a removed Organization as sentences."""
    if gone.stranded:
        yield f"Memberships without an Organization afterwards: {join_names(gone.stranded)}. Remove them too."
    yield from (f"rejected: {prose(refusal)}" for refusal in gone.refusals)


def object_remarks(change: KeyChange | OrganizationChange, prose: Prose = printable) -> Iterator[str]:
    """Yield the remarks on an ApiKey or a changed Organization as sentences."""
    yield from map(prose, change.remarks)
    yield from (f"rejected: {prose(refusal)}" for refusal in change.refusals)


def facts(impact: Impact, name: str) -> str:
    """Return a key's public id and its latest use, as far as they are known."""
    return ", ".join(filter(None, (impact.key_ids.get(name), impact.uses.get(name))))


def summary(comparison: Comparison) -> str:
    """Return how many keys are revoked, and what is missing."""
    missing = sum(one.acknowledgement is not None for one in comparison.members)
    refused = sum(bool(one.refusals) for one in comparison.changes)
    parts = [_count(len(_revoked(comparison)), "key", "revoked")]
    for fate in ("reissued", "suspended"):
        number = sum(token.fate == fate for token in comparison.tokens)
        parts += [_count(number, "key", fate)] if number else []
    handed = sum(key.hand_over is not None for key in comparison.keys)
    parts += [_count(handed, "key", "handed over")] if handed else []
    parts += [_count(missing, "change", "not acknowledged")] if missing else []
    parts += [_count(refused, "change", "rejected")] if refused else []
    return ", ".join(parts)


def _revoked(comparison: Comparison) -> set[Address]:
    reissued = {Address(one.member.namespace, name) for one in comparison.members for name in one.reissued}
    tokens = {token.key for token in comparison.tokens if token.fate == "revoked"}
    members = {Address(one.member.namespace, name) for one in comparison.members for name in one.revoked}
    removals = {Address(one.organization.namespace, name) for one in comparison.removals for name in one.revoked}
    return (tokens - reissued) | members | removals


def _count(number: int, what: str, how: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'} {how}"
