"""Words the price of a change: warnings, and the refusals that say how to proceed."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from tenure.domain.admission.acknowledgement import ANNOTATION, MOST_NAMES, Flaw
from tenure.domain.admission.affected_keys import Price
from tenure.domain.admission.verdict import MAX_WARNING, join_names
from tenure.domain.listing import traits
from tenure.domain.resources import ApiKey, Membership
from tenure.domain.resources.listed_key import ListedKey
from tenure.domain.roles import Role

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)

_MAX_NOTE = 1000
_MAX_SUBJECT = 120


def price_warnings(member: Membership, new_role: Role | None, cost: Price, now: datetime) -> Iterator[str]:
    """Yield the warnings about keys that a role change or a removal affects, each on one line."""
    ending = len(cost.revoked) + cost.unlisted if cost.revoked else 0
    if ending:
        yield f"{_step(member, new_role)} revokes {_count(ending, 'API key')} of {_whose(member)}:"
        yield from (f"- {describe_key(key, now, cost.uses.get(key.name, ''))}" for key in cost.revoked[:MOST_NAMES])
        if ending > MOST_NAMES:
            yield f"- and {ending - MOST_NAMES} more"
        yield "Programs that use them stop working immediately."
    reissued = sorted((*map(_named, cost.reissued), *cost.issued))
    if reissued:
        yield from _listed(f"Reissued with a new token (spec.forRole: {new_role})", reissued)
    if cost.kept and new_role is not None:
        number = len(cost.kept) + (0 if cost.revoked else cost.unlisted)
        heading = f"Service account {member.name} keeps {_count(number, 'key')}, with the rights of {new_role}"
        yield from _listed(heading, [*map(_named, cost.kept)], number)


def service_account_warning(member: Membership, number: int) -> str | None:
    """Return the warning about keys of service accounts that an Owner who loses the role may know, or None."""
    if not number:
        return None
    stay = "stays" if number == 1 else "stay"
    advice = f"Replace the tokens that {_whose(member)} may know (raise spec.revision)."
    return f"{_count(number, 'key')} of service accounts {stay} valid. {advice}"


def inheritance_warnings(member: Membership, keys: Sequence[ApiKey]) -> Iterator[str]:
    """Yield the warnings that ApiKeys name a Membership already that is about to be created.

    Somebody may have left them, and to issue them gives them the rights of the new member.
    """
    present = [key for key in keys if not key.metadata.deleting]
    yield from _waiting_handovers(member, sorted(key.name for key in present if key.is_handed_over))
    names = sorted(key.name for key in present if not key.is_handed_over)
    if not names:
        return
    number = "1 ApiKey names" if len(names) == 1 else f"{len(names)} ApiKeys name"
    yield from _listed(f"metadata.name: {number} Membership {member.name} already", names)
    yield (
        f"Delete those that aren't for {member.spec.subject.name}. Tenure issues those that waited for no Membership "
        "before, and the others once their spec.revision is raised."
    )


def _waiting_handovers(member: Membership, names: Sequence[str]) -> Iterator[str]:
    """Yield the warnings that keys of other members wait for this one. Their present tokens work."""
    if not names:
        return
    number = "1 ApiKey is" if len(names) == 1 else f"{len(names)} ApiKeys are"
    yield from _listed(f"metadata.name: {number} handed over to Membership {member.name}, and waiting for it", names)
    yield (
        f"Each gets a new token with the rights of {member.spec.subject.name}. To prevent this, set its "
        "spec.membership back before you create this Membership."
    )


def ended_note(cost: Price) -> str:
    """Return the keys whose tokens stop working, for the audit log: the names that fit, and how many more there are."""
    names, unlisted = cost.dying, cost.unlisted if cost.revoked else 0
    notes = (_some(names[:most], len(names) + unlisted) for most in range(len(names), -1, -1))
    return next(note for note in notes if len(note) <= _MAX_NOTE)


def denied_with_keys(member: Membership, new_role: Role, cost: Price, organization: str, *, room: int) -> str:
    """Return the refusal of a role change while there are keys that it would revoke.

    It has only their names if more than that doesn't fit into `room` characters.
    """
    advice = " ".join(_denial_advice(new_role, cost.revoked))
    texts = [
        f"spec.role: Organization {organization} allows no role change that revokes keys (whenKeysExist: Deny), and "
        f"{member.spec.role} -> {new_role} would revoke {join_names(keys)}. {advice}"
        for keys in (
            (_named(key, cost.uses.get(key.name, "")) for key in cost.revoked),
            (key.name for key in cost.revoked),
        )
    ]
    return next((text for text in texts if len(text) <= room), texts[-1])


def _denial_advice(new_role: Role, keys: Sequence[ListedKey]) -> Iterator[str]:
    """Yield what to do about keys that block a role change, and about tokens whose keys were handed over."""
    handed = [key.name for key in keys if key.handed_over_to is not None]
    own = [key.name for key in keys if key.handed_over_to is None]
    if own:
        which = f"ApiKey {join_names(own)}" if handed else "these ApiKeys"
        yield (
            f"First delete {which}, or set their spec.forRole to {new_role}. They then work until the role changes, "
            "and get a new token with it."
        )
    if handed:
        yield (
            f"Of {join_names(handed)}, which {'was' if len(handed) == 1 else 'were'} handed over, wait until the "
            "former token expires. To end it now, set spec.rotation.overlap of the ApiKey to 0s."
        )


def unacknowledged(
    member: Membership,
    new_role: Role,
    cost: Price,
    flaw: Flaw,
    *,
    acknowledgement: str,
    now: datetime,
    room: int,
) -> str:
    """Return the refusal of a role change whose keys aren't acknowledged: the keys, and how to acknowledge them.

    Keys that `forRole` approved before aren't among them. It has at most `room` characters if possible. With less room
    it repeats fewer names, because the command has them.
    """
    dying = _unapproved(cost, new_role)
    number, names = _count(len(dying), "API key"), [key.name for key in dying]
    saved = len(cost.dying) - len(dying)
    beside = f", beside {saved} that forRole approves" if saved and len(dying) > MOST_NAMES else ""
    line = f'{ANNOTATION}: "{acknowledgement}"'
    described = join_names(describe_key(key, now, cost.uses.get(key.name, "")) for key in dying)
    variants = (
        (f"{number} of {_whose(member)}{beside}: {described}", flaw.text, line),
        (f"{number} of {_whose(member)}{beside}: {join_names(names)}", flaw.text, line),
        (f"{number} of {member.name}{beside}", flaw.brief, line),
        (f"{number} of {member.name}{beside}", flaw.brief, "the same annotation"),
        (f"{number}{beside}", "", "the same annotation"),
    )
    others = [key for key in dying if key.handed_over_to is None]
    advice = _reissue_advice(new_role, is_for_all=len(others) == len(dying)) if others else _handed_over_advice(names)
    texts = [_instruct(member, new_role, acknowledgement, variant, advice) for variant in variants]
    return next((text for text in texts if len(text) <= room), texts[-1])


def unacknowledged_too(member: Membership, new_role: Role, cost: Price, *, room: int) -> str:
    """Return the refusal of a role change that something else forbids, and whose keys aren't acknowledged either.

    It has no command, because the command would be rejected.
    """
    names = [key.name for key in _unapproved(cost, new_role)]
    number = _count(len(names), "API key")
    texts = [
        f"{_step(member, new_role)} would also revoke {keys}. Once nothing else forbids the change, it has to "
        "acknowledge that."
        for keys in (f"{number} of {_whose(member)}: {join_names(names)}", f"{number} of {member.name}")
    ]
    return next((text for text in texts if len(text) <= room), texts[-1])


def _unapproved(cost: Price, new_role: Role) -> list[ListedKey]:
    """Return the keys that have to be acknowledged, sorted by name."""
    names = cost.unapproved(new_role)
    keys = (key for key in (*cost.revoked, *cost.reissued) if key.name in names)
    return sorted(keys, key=lambda key: key.name)


def describe_key(key: ListedKey, now: datetime, use: str = "") -> str:
    """Return a key's name, public id, age, expiry, latest use as far as that is known, limits and description."""
    facts = [key.key_id]
    if key.issued_at is not None:
        facts.append(f"{span(now - key.issued_at)} old")
    if key.expires_at is not None:
        facts.append(f"expires in {span(key.expires_at - now)}")
    if key.handed_over_to is not None:
        facts.append(f"handed over to {key.handed_over_to}")
    if key.former is not None and key.former.ends_at > now:
        facts.append(f"former token {key.former.key_id} valid for {span(key.former.ends_at - now)}")
    if use:
        facts.append(use)
    return f"{key.name} ({', '.join([*facts, *traits(key.capabilities, key.description)])})"


def _named(key: ListedKey, use: str = "") -> str:
    """Return a key's name, with its latest use, its limits and its description as far as there are any."""
    handed = [f"handed over to {key.handed_over_to}"] if key.handed_over_to else []
    facts = ", ".join([*handed, *([use] if use else []), *traits(key.capabilities, key.description)])
    return f"{key.name} ({facts})" if facts else key.name


def _reissue_advice(new_role: Role, *, is_for_all: bool) -> str:
    """Return how to have a key reissued, unless it is another member's by now."""
    which = "a key" if is_for_all else "a key that wasn't handed over"
    return f"To have {which} reissued with a new token instead, set its spec.forRole to {new_role}."


def _handed_over_advice(names: Sequence[str]) -> str:
    """Return what to check if only tokens are revoked whose keys were handed over."""
    return f"{join_names(names)}: handed over. Programs that have read the new token from its Secret continue to work."


def _instruct(
    member: Membership, new_role: Role, acknowledgement: str, parts: tuple[str, str, str], advice: str
) -> str:
    """Build the refusal from the revoked keys, the flaw of the acknowledgement, the line for Git and an advice."""
    revoked, flaw, line = parts
    patch = {"metadata": {"annotations": {ANNOTATION: acknowledgement}}, "spec": {"role": new_role.value}}
    text = json.dumps(patch, separators=(",", ":"))
    return "\n".join(
        [
            f"{_step(member, new_role)} would revoke {revoked}.",
            f"Programs that use them would stop working immediately. {flaw}".rstrip(),
            "To acknowledge this, set the annotation in the same write:",
            f"  kubectl patch memberships.tenure.dev {member.name} -n {member.namespace} --type merge -p '{text}'",
            f"In Git, in the same commit:  {line}",
            advice,
        ]
    )


def _listed(heading: str, names: Sequence[str], number: int | None = None) -> Iterator[str]:
    """Yield names after their heading, on the same line if they fit."""
    text = f"{heading}: {_some(names[:MOST_NAMES], number or len(names))}"
    if len(text) <= MAX_WARNING:
        yield text
        return
    yield f"{heading}:"
    yield from (f"- {name}" for name in names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        yield f"- and {(number or len(names)) - MOST_NAMES} more"


def _some(names: Sequence[str], number: int) -> str:
    """Return the names, and how many more there are."""
    left = number - len(names)
    return ", ".join(names) + (f" and {left} more" if left else "")


def _whose(member: Membership) -> str:
    """Return the name of the subject, or of the Membership if the subject's is too long for a line."""
    name = member.spec.subject.name
    return name if len(name) <= _MAX_SUBJECT else member.name


def _step(member: Membership, new_role: Role | None) -> str:
    if new_role is None:
        return f"Removing {member.name}"
    return f"spec.role: {member.spec.role} -> {new_role}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def span(length: timedelta) -> str:
    """Return a length of time in its largest unit."""
    if length >= _DAY:
        return f"{length // _DAY} d"
    if length >= _HOUR:
        return f"{length // _HOUR} h"
    if length >= _MINUTE:
        return f"{length // _MINUTE} min"
    return f"{max(length // timedelta(seconds=1), 0)} s"
