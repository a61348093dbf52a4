"""The price in words: warnings, and the refusal that says how to go on."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from tenure.domain.admission.acknowledgement import ANNOTATION, MOST_NAMES, Acknowledgement, spell
from tenure.domain.admission.judgement import MAX_MESSAGE, join_names
from tenure.domain.admission.price import Price
from tenure.domain.resources import Membership
from tenure.domain.resources.membership import ListedKey
from tenure.domain.roles import Role

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


def price_warnings(member: Membership, new_role: Role | None, cost: Price, now: datetime) -> Iterator[str]:
    """What whoever changes a role or removes a member should know, one line each."""
    ending = len(cost.ends) + cost.unlisted if cost.ends else 0
    if ending:
        yield f"{_step(member, new_role)} ends {_count(ending, 'working key')} of {member.spec.subject.name}:"
        yield from (f"- {describe_key(key, now)}" for key in cost.ends[:MOST_NAMES])
        if ending > MOST_NAMES:
            yield f"- and {ending - MOST_NAMES} more"
        yield "Whatever uses them stops working at once."
    reissued = sorted((*(key.name for key in cost.goes_on), *cost.starts))
    if reissued:
        yield f"Approved for {new_role} by spec.forRole, issued with a new token: {join_names(reissued)}"
    if cost.stays and new_role is not None:
        number = len(cost.stays) + (0 if cost.ends else cost.unlisted)
        yield f"Service account {member.name}: {_count(number, 'key')} go on, with the rights of {new_role}"


def service_account_warning(member: Membership, number: int) -> str | None:
    """What an Owner who loses the role may leave behind."""
    if not number:
        return None
    known = f"replace those that {member.spec.subject.name} may know"
    return f"{_count(number, 'key')} of service accounts {'stays' if number == 1 else 'stay'} valid; {known}"


def unacknowledged(
    member: Membership, new_role: Role, cost: Price, annotations: tuple[str | None, str | None], now: datetime
) -> str:
    """The refusal of a role change until its keys are acknowledged: what ends, and how to go on."""
    dying = sorted((*cost.ends, *cost.goes_on), key=lambda key: key.name)
    full = _refusal(member, new_role, [describe_key(key, now) for key in dying], annotations)
    return full if len(full) <= MAX_MESSAGE else _refusal(member, new_role, [key.name for key in dying], annotations)


def denied_with_keys(member: Membership, new_role: Role, cost: Price, organization: str) -> str:
    """The refusal of a role change while there are keys that it would end."""
    return (
        f"spec.role: {organization} allows no role change that ends keys (whenKeysExist: Deny), and "
        f"{_step(member, new_role)} would end {join_names(key.name for key in cost.ends)}; delete these ApiKeys first"
    )


def describe_key(key: ListedKey, now: datetime) -> str:
    """A key's name, public id, age and expiry."""
    facts = [key.key_id]
    if key.issued_at is not None:
        facts.append(f"{_span(now - key.issued_at)} old")
    if key.expires_at is not None:
        facts.append(f"expires in {_span(key.expires_at - now)}")
    return f"{key.name} ({', '.join(facts)})"


def _refusal(
    member: Membership, new_role: Role, listed: Sequence[str], annotations: tuple[str | None, str | None]
) -> str:
    names = [text.partition(" ")[0] for text in listed]
    value = spell(new_role, names)
    patch = json.dumps(
        {"metadata": {"annotations": {ANNOTATION: value}}, "spec": {"role": new_role.value}}, separators=(",", ":")
    )
    ended = f"{_count(len(names), 'working key')} of {member.spec.subject.name}: {join_names(listed)}"
    return "\n".join(
        [
            f"{_step(member, new_role)} would end {ended}.",
            f"Whatever uses them would stop working at once. {_flaw(new_role, names, annotations)}",
            "To acknowledge this, put the annotation into the same write:",
            f"  kubectl patch membership {member.name} -n {member.namespace} --type merge -p '{patch}'",
            f'In Git, in the same commit:  {ANNOTATION}: "{value}"',
            f"A key that should go on with a new token: set its spec.forRole to {new_role}.",
        ]
    )


def _flaw(new_role: Role, names: Sequence[str], annotations: tuple[str | None, str | None]) -> str:
    """What the acknowledgement that is there lacks."""
    before, after = annotations
    if after is None:
        return "This organization asks for an acknowledgement."
    if after == before:
        return "The acknowledgement that is there was for an earlier change; this one needs its own."
    try:
        given = Acknowledgement.parse(after)
    except ValueError as error:
        return f"The acknowledgement can't be read: {error}."
    if given.role is not new_role:
        return f"The acknowledgement is for the role {given.role}."
    if given.number is not None:
        return f"The acknowledgement says {given.number} keys; there are {len(names)}, and up to 8 are named."
    return f"The acknowledgement lacks {join_names(sorted(set(names) - given.names))}."


def _step(member: Membership, new_role: Role | None) -> str:
    if new_role is None:
        return f"Removing {member.name}"
    return f"spec.role: {member.spec.role} -> {new_role}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _span(length: timedelta) -> str:
    """A length of time in its largest unit."""
    if length >= _DAY:
        return f"{length // _DAY} d"
    if length >= _HOUR:
        return f"{length // _HOUR} h"
    if length >= _MINUTE:
        return f"{length // _MINUTE} min"
    return f"{max(length // timedelta(seconds=1), 0)} s"
