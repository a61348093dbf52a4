"""Decides which letters are due in an organization, from its objects and the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from tenure.domain.conditions import is_ready
from tenure.domain.durations import parse_duration
from tenure.domain.invitations.requests import life_of, pending_since
from tenure.domain.invitations.state import address_of, awaits_acceptance, is_invited
from tenure.domain.letters.delivery import REJECTED
from tenure.domain.letters.ledger import Ledger
from tenure.domain.letters.letter import Letter, LetterKind, normalised
from tenure.domain.letters.revoked import GRACE, NOTICE_LIFE, Gone, was_revoked
from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.invitation import Invitation, Notifications
from tenure.domain.roles import Role
from tenure.domain.validity import Verdict, token_end, validity

AHEAD = timedelta(hours=24)
"""A letter about keys tells of those of the next day too, because there is only one in 24 hours."""

_WORKING = {Verdict.VALID, Verdict.SUSPENDED}


@dataclass(frozen=True)
class Evidence:
    """An organization in force with its objects, as of a moment."""

    organization: Organization
    members: Sequence[Membership]
    api_keys: Sequence[ApiKey]
    ledger: Ledger
    now: datetime
    gone: Sequence[Gone] = ()
    """Keys whose tokens vanished, by the record of keys."""

    @property
    def notifications(self) -> Notifications:
        """Which notices the organization wants."""
        return self.organization.spec.notifications or Notifications()

    def member(self, name: str) -> Membership | None:
        """Return the Membership of a name, or None."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> Mapping[str, Membership]:
        return {one.name: one for one in self.members}


def wanted_notices(organization: Organization) -> Iterator[tuple[str, LetterKind]]:
    """Yield the kinds of notices that an organization wants, each with its uid."""
    wants = organization.spec.notifications or Notifications()
    switches = {
        LetterKind.ROLE_CHANGED: wants.role_changed,
        LetterKind.KEYS_EXPIRING: wants.keys_expiring,
        LetterKind.KEYS_REVOKED: wants.keys_revoked,
    }
    yield from ((organization.metadata.uid, kind) for kind, switch in switches.items() if switch)


def due_letters(evidence: Evidence) -> list[Letter]:
    """Return the letters that are due, those first for which somebody waits."""
    letters = [*_invitations(evidence), *_role_changes(evidence), *_revocations(evidence), *_expiries(evidence)]
    return [letter for letter in letters if (entry := evidence.ledger.entry(letter)) is None or not entry.done]


def without_address(evidence: Evidence) -> list[Membership]:
    """Return the members who should be invited, and whose address isn't known."""
    organization = evidence.organization
    invited = (one for one in _in_force(evidence) if is_invited(one, organization) and not _is_invited_already(one))
    return [one for one in invited if address_of(one, organization) is None]


def _is_invited_already(member: Membership) -> bool:
    invitation = member.status.invitation
    return invitation is not None and (invitation.sent_at is not None or invitation.accepted_at is not None)


def _in_force(evidence: Evidence) -> Iterator[Membership]:
    """Yield the members that the controller has found to be in force."""
    for one in evidence.members:
        belongs = one.spec.organization == evidence.organization.name
        if belongs and not one.metadata.deleting and is_ready(one.status.conditions):
            yield one


def _people(evidence: Evidence) -> Iterator[tuple[Membership, str]]:
    for one in _in_force(evidence):
        address = address_of(one, evidence.organization)
        if address is not None:
            yield one, address


def _invitations(evidence: Evidence) -> list[Letter]:
    found = [
        Letter(
            LetterKind.INVITED,
            evidence.organization,
            member,
            address,
            str(member.metadata.generation),
            resent_at=pending_since(member),
        )
        for member, address in _people(evidence)
        if _asks_for_invitation(evidence, member, address)
    ]
    return sorted(
        found,
        key=lambda one: (
            not awaits_acceptance(one.member, one.organization),
            one.member.metadata.creation_timestamp,
            one.member.name,
        ),
    )


def _asks_for_invitation(evidence: Evidence, member: Membership, address: str) -> bool:
    if not is_invited(member, evidence.organization):
        return False
    invitation = member.status.invitation
    if invitation is None:
        return True
    if invitation.accepted_at is not None:
        return False
    waits = awaits_acceptance(member, evidence.organization)
    current = invitation.generation == member.metadata.generation
    if pending_since(member) is not None or _went_elsewhere(evidence, invitation, address, waits=waits):
        return True
    if invitation.delivery == REJECTED and (current or not waits):
        return address not in (invitation.message or "")  # Another address may work.
    return invitation.sent_at is None or (waits and not current)


def _went_elsewhere(evidence: Evidence, invitation: Invitation, address: str, *, waits: bool) -> bool:
    """Return whether the letter went to another address, which was corrected while the letter still matters."""
    sent_at, sent_to = invitation.sent_at, invitation.sent_to
    if sent_at is None or sent_to is None or normalised(sent_to) == normalised(address):
        return False
    return waits or evidence.now < sent_at + life_of(evidence.organization)


def _role_changes(evidence: Evidence) -> Iterator[Letter]:
    organization = evidence.organization
    since = evidence.ledger.since(organization.metadata.uid, LetterKind.ROLE_CHANGED)
    for member, address in _people(evidence):
        change = member.status.last_role_change
        if since is None or change is None or change.generation != member.metadata.generation:
            continue
        # While somebody has to accept, a new invitation names the new role.
        if since < change.at <= evidence.now < change.at + NOTICE_LIFE and not awaits_acceptance(member, organization):
            yield Letter(LetterKind.ROLE_CHANGED, organization, member, address, str(change.generation))


def _revocations(evidence: Evidence) -> Iterator[Letter]:
    if not evidence.notifications.keys_revoked:
        return
    organization, now = evidence.organization, evidence.now
    dead = {
        gone.api_key.name: gone
        for gone in sorted(evidence.gone, key=lambda gone: gone.at, reverse=True)
        if now < gone.at + NOTICE_LIFE and was_revoked(gone, evidence.member(gone.api_key.holder), organization, now)
    }
    for member, address, keys in _by_person(evidence, [gone.api_key for gone in dead.values()]):
        told = evidence.ledger.told_at(member.metadata.uid, LetterKind.KEYS_REVOKED, address)
        news = [dead[key.name] for key in keys if told is None or dead[key.name].at + GRACE > told]
        if news:
            first = min(news, key=lambda gone: gone.at).api_key.status.key_id
            listed = tuple(sorted((gone.api_key for gone in news), key=lambda key: key.name))
            yield Letter(LetterKind.KEYS_REVOKED, organization, member, address, str(first), listed)


def _expiries(evidence: Evidence) -> Iterator[Letter]:
    organization = evidence.organization
    since = evidence.ledger.since(organization.metadata.uid, LetterKind.KEYS_EXPIRING)
    if since is None:
        return
    ends = {key.metadata.uid: end for key in evidence.api_keys if (end := _end(evidence, key)) is not None}
    keys = [key for key in evidence.api_keys if key.metadata.uid in ends]
    for member, address, mine in _by_person(evidence, keys):
        told = evidence.ledger.told_at(member.metadata.uid, LetterKind.KEYS_EXPIRING, address)
        soon: dict[datetime, list[ApiKey]] = {}
        for key in mine:
            for moment in _moments(evidence, key, ends[key.metadata.uid], since, told):
                soon.setdefault(moment, []).append(key)
        due = sorted(moment for moment in soon if moment <= evidence.now)
        if not due:
            continue
        named = {key.metadata.uid: key for some in soon.values() for key in some}
        listed = sorted(named.values(), key=lambda key: (ends[key.metadata.uid], key.name))
        occasion = f"{due[0]:%Y%m%d%H%M%S}"
        yield Letter(LetterKind.KEYS_EXPIRING, organization, member, address, occasion, tuple(listed))


def _end(evidence: Evidence, key: ApiKey) -> datetime | None:
    """Return when a working key expires, or None if it doesn't, or gets a new token before."""
    member = evidence.member(key.spec.membership)
    if validity(key, member, evidence.organization, evidence.now) not in _WORKING:
        return None
    end = token_end(key, evidence.organization)
    rotates = key.status.rotates_at
    return None if end is None or (rotates is not None and rotates < end) else end


def _moments(
    evidence: Evidence, key: ApiKey, end: datetime, since: datetime, told: datetime | None
) -> Iterator[datetime]:
    """Yield when a letter about a key is due: those moments that aren't over, nor further away than a day.

    A key that lives less than twice as long gets none: a token for an hour needs no letter a day before.
    """
    issued = key.status.issued
    if issued is None:
        return
    for text in evidence.notifications.keys_expiring or ():
        span = parse_duration(text)
        moment = end - span
        timely = since < moment <= evidence.now + AHEAD and evidence.now < moment + NOTICE_LIFE
        known = told is not None and issued.at <= told and moment <= told + AHEAD
        if timely and not known and end - issued.at >= 2 * span:
            yield moment


def _by_person(evidence: Evidence, keys: Sequence[ApiKey]) -> Iterator[tuple[Membership, str, list[ApiKey]]]:
    """Yield each person with the keys that they are told about: their own, and an Owner those of service accounts."""
    own: dict[str, list[ApiKey]] = {}
    of_programs: list[ApiKey] = []
    for key in keys:
        holder = evidence.member(key.spec.membership)
        if holder is not None:
            (own.setdefault(holder.name, []) if holder.is_person else of_programs).append(key)
    if own or of_programs:
        for person, address in _people(evidence):
            mine = own.get(person.name, []) + (of_programs if person.spec.role is Role.OWNER else [])
            if mine:
                yield person, address, mine
