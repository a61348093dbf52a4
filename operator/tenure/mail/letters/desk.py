"""Writes letters as messages, with the link of an invitation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from tenure.domain.invitations.links import Claim, SigningKey
from tenure.domain.invitations.requests import life_of
from tenure.domain.letters.letter import Letter
from tenure.mail.letters.content import Link, language_of, needs_link, values_of
from tenure.mail.letters.message import build_message
from tenure.mail.letters.templates import Rendered, Templates


@dataclass
class Desk:
    """Writes letters as messages."""

    templates: Templates
    sender: str
    base_url: str
    keys: Callable[[], Sequence[SigningKey]]

    def write(self, letter: Letter, now: datetime) -> tuple[EmailMessage, datetime | None]:
        """Return a letter as a message, and when its link expires.

        Raises:
            TemplateError: a template fails with this letter's values.
            ValueError: the address can't be one of a message.
        """
        rendered, link = self.compose(letter, now)
        return build_message(letter, rendered, self.sender, now), link.expires_at if link is not None else None

    def compose(self, letter: Letter, now: datetime) -> tuple[Rendered, Link | None]:
        """Return the text of a letter, and its link if the person has to accept.

        Raises:
            TemplateError: a template fails with this letter's values.
        """
        link = None
        if needs_link(letter):
            expires_at = (now + life_of(letter.organization)).replace(microsecond=0)
            token = Claim.of(letter.member, expires_at).sign(self.keys())
            link = Link(f"{self.base_url}/invitations/{token}", expires_at)
        language = self.templates.language(language_of(letter.organization))
        return self.templates.render(language, letter.kind, values_of(letter, link, now)), link
