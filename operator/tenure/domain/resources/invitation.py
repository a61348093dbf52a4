"""How members are invited: an Organization's rules for letters, and what became of a Membership's invitation."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from tenure.domain import durations
from tenure.domain.resources.base import LIST_SET, DateTime, Duration, Model, Name, Rule, list_map, shaped
from tenure.domain.resources.mailbox import EmailAddress

MAX_ADDRESSES = 1000
MAX_REMINDERS = 5


class InvitationMode(StrEnum):
    """What a new member is asked for."""

    NONE = "None"
    NOTIFY = "Notify"
    REQUIRE_ACCEPTANCE = "RequireAcceptance"


Language = Annotated[
    str,
    shaped(
        r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$",
        "must be a language such as en, de or pt-BR",
        max_length=32,
    ),
]
Delivery = Annotated[str, shaped(r"^[A-Z][A-Za-z]{0,31}$", "must be one word such as Sent", max_length=32)]


class MemberAddress(Model):
    """The e-mail address of a member."""

    name: Name
    """Name of the Membership."""

    address: EmailAddress
    """The e-mail address to which its letters go."""


class Invitations(Model):
    """How new members are invited."""

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            f"!has(self.expiresAfter) || !self.expiresAfter.matches(r'{durations.PATTERN}') || "
            "(duration(self.expiresAfter) >= duration('1h') && duration(self.expiresAfter) <= duration('720h'))",
            f"expiresAfter: must be at least 1h and at most 720h, in {durations.MEANING}",
            field=".expiresAfter",
        ),
    )

    mode: InvitationMode | None = None
    """None, the default, sends no letter. Notify sends new members a letter. RequireAcceptance also waits until the
    person accepts: before that, Tenure issues no key and gives no rights in Kubernetes. Members from before the mode
    was set count as accepted. Service accounts are never invited."""

    expires_after: Duration | None = None
    """How long the link in a letter can be used to accept, 1h to 720h. If omitted, 168h."""

    language: Language | None = None
    """Language of the letters, for example de. If omitted, or if there are no templates in it, en."""

    contact: EmailAddress | None = None
    """E-mail address that the letters name for questions."""

    addresses: list[MemberAddress] | None = Field(
        default=None, max_length=MAX_ADDRESSES, json_schema_extra=list_map("name")
    )
    """E-mail addresses of members whose subject isn't one, or who want their letters elsewhere."""


class Notifications(Model):
    """Which letters people get about their role and their keys."""

    rules: ClassVar[Sequence[Rule]] = (
        Rule(
            "!has(self.keysExpiring) || self.keysExpiring.all(before, "
            f"!before.matches(r'{durations.PATTERN}') || "
            "(duration(before) >= duration('1h') && duration(before) <= duration('8760h')))",
            f"keysExpiring: each must be at least 1h and at most 8760h, in {durations.MEANING}",
            field=".keysExpiring",
        ),
    )

    role_changed: bool | None = None
    """Whether members get a letter about a role change, with the keys that it revoked."""

    keys_expiring: list[Duration] | None = Field(default=None, max_length=MAX_REMINDERS, json_schema_extra=LIST_SET)
    """How long before a key expires its member gets a letter, for example 168h and 24h. For keys of service accounts,
    the Owners get it."""

    keys_revoked: bool | None = None
    """Whether members get a letter if their keys are revoked for another reason than a role change."""


class Invitation(Model):
    """What became of the invitation of a member. Only the mail process writes it."""

    generation: int | None = None
    """The metadata.generation of the Membership that the latest letter names."""

    sent_at: DateTime | None = None
    """When the mail server took the latest letter. Omitted if it took none."""

    sent_to: str | None = Field(default=None, max_length=320)
    """The e-mail address to which it went."""

    expires_at: DateTime | None = None
    """When the link of the latest letter expires."""

    accepted_at: DateTime | None = None
    """When the person accepted. It stays through later role changes."""

    requested_at: DateTime | None = None
    """When a person asked to send the letter again. If it is later than sentAt, the letter is still due."""

    delivery: Delivery | None = None
    """What became of the latest letter: Sent, Rejected, Waiting, Held or NoAddress."""

    message: str | None = Field(default=None, max_length=1024)
    """The same in a sentence: what the mail server answered, or until when the letter is held."""
