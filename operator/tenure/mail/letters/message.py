"""Builds the message of a letter, with the standard library, which refuses line breaks in headers."""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr

from tenure.domain.letters.letter import Letter
from tenure.domain.letters.words import cleaned
from tenure.mail.letters.templates import Rendered

# Not every mail server takes 8-bit text.
_PLAIN, _WIDE = SMTP.clone(cte_type="7bit"), SMTPUTF8.clone(cte_type="7bit")


def build_message(letter: Letter, rendered: Rendered, sender: str, now: datetime) -> EmailMessage:
    """Return a letter as a message. A repetition of the letter has the same Message-ID.

    Raises:
        ValueError: the address can't be one of a message.
    """
    name, address = parseaddr(sender)
    domain = address.rpartition("@")[2]
    message = EmailMessage(policy=_PLAIN if letter.address.isascii() and address.isascii() else _WIDE)
    message["From"] = Address(name, addr_spec=address) if name else address
    local, _, host = letter.address.rpartition("@")
    message["To"] = Address(username=local, domain=host)  # `addr_spec` refuses what isn't ASCII.
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{letter.id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # So that no absence note answers it (RFC 3834).
    message["X-Auto-Response-Suppress"] = "All"
    message["List-Id"] = f'"{cleaned(letter.organization.name)}" <{letter.organization.namespace}.tenure.{domain}>'
    message["Content-Language"] = rendered.language
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    return message
