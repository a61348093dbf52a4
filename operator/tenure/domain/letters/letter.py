"""Letters, and the names by which a repetition of one is recognized."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from tenure.domain.resources import ApiKey, Membership, Organization
from tenure.domain.resources.membership import fold


class LetterKind(StrEnum):
    """What a letter is about."""

    INVITED = "Invited"
    ROLE_CHANGED = "RoleChanged"
    KEYS_EXPIRING = "KeysExpiring"
    KEYS_REVOKED = "KeysRevoked"


_GMAIL = "gmail.com"
_DOTLESS = {_GMAIL, "googlemail.com"}

_FORMER = 20
"""How many former roles are looked for. More role changes before an acceptance are held back anyway."""


@dataclass(frozen=True)
class Letter:
    """A letter that is due."""

    kind: LetterKind
    organization: Organization
    member: Membership
    """To whom it goes."""

    address: str
    occasion: str
    """What it is about, so that the same letter always has the same name: for example the Membership's generation."""

    keys: tuple[ApiKey, ...] = field(default=())
    resent_at: datetime | None = None
    """When somebody asked to send an invitation again, or None."""

    @property
    def id(self) -> str:
        """The letter's name, of uid, occasion and kind. A repetition after a crash has the same."""
        again = f".{int(self.resent_at.timestamp())}" if self.resent_at is not None else ""
        return f"{self.member.metadata.uid}.{self.occasion}{again}.{self.kind.value.lower()}"

    @property
    def repeats(self) -> bool:
        """Whether the member got an invitation before: somebody asked for another one, or its link died."""
        invitation = self.member.status.invitation
        sent = invitation is not None and invitation.sent_at is not None
        return self.resent_at is not None or (self.kind is LetterKind.INVITED and sent)

    @property
    def former(self) -> Iterator["Letter"]:
        """The first invitations to the roles that this member had before, whose links are dead."""
        if self.kind is LetterKind.INVITED:
            generation = self.member.metadata.generation
            for earlier in range(max(generation - _FORMER, 1), generation):
                yield replace(self, occasion=str(earlier), resent_at=None)


def normalised(address: str) -> str:
    """Return an address without case and without a `+tag`, because all of these are one mailbox.

    Gmail ignores dots too. Elsewhere they can tell two people apart.
    """
    local, _, domain = fold(address).rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", "") or local, _GMAIL
    return f"{local}@{domain}"
