"""A mail server on the loopback, which takes letters or behaves as badly as a test wants."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from threading import Event
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from support.run.slowness import NEVER
from tenure.mail_settings import MailServer, SmtpSecurity
from tenure_dev.controlplane import free_ports

OK = "250 OK"
SENDER = "Acme <tenure@acme.io>"
LOGIN = ("tenure", "a password")


@dataclass
class Mailbox:
    """What arrived, and how the server behaves."""

    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    """Those that were named, whether their letter was taken or not."""

    rcpt: dict[str, list[str]] = field(default_factory=dict)
    """Answers to a recipient, one for each attempt. After the last one it is taken."""

    data: list[str] = field(default_factory=list)
    """Answers to letters, one for each. After the last one all are taken."""

    mail: list[str] = field(default_factory=list)
    """Answers to the sender, one for each letter."""

    silent: set[str] = field(default_factory=set)
    """Recipients to whom nothing is answered while `hold` isn't set."""

    hold: Event | None = None
    """While this isn't set, no answer follows a letter, although it arrived."""

    @property
    def ids(self) -> list[str]:
        """The Message-IDs that arrived."""
        return [str(message["Message-ID"]) for message in self.messages]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's
        self, _server: Any, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer to a sender."""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.mail.pop(0) if self.mail else OK

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer to a recipient."""
        self.recipients.append(address)
        if address in self.silent and self.hold is not None:
            await server.loop.run_in_executor(None, self.hold.wait, NEVER)
        if self.rcpt.get(address):
            return self.rcpt[address].pop(0)
        envelope.rcpt_tos.append(address)
        return OK

    async def handle_DATA(self, server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take a letter."""
        answer = self.data.pop(0) if self.data else OK
        content = envelope.content
        assert isinstance(content, bytes)
        if answer == OK:
            message = message_from_bytes(content, policy=default)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
        if self.hold is not None:
            await server.loop.run_in_executor(None, self.hold.wait, NEVER)
        return answer


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    known = (data.login.decode(), data.password.decode()) == LOGIN
    return AuthResult(success=known, handled=False)


@contextmanager
def mail_server(
    mailbox: Mailbox,
    port: int = 0,
    *,
    context: ssl.SSLContext | None = None,
    at_once: bool = False,
    login: bool = False,
) -> Iterator[int]:
    """Serve a mailbox, and give the port. With a context it offers STARTTLS, or speaks TLS `at_once`."""
    where = port or free_ports(1)[0]
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=where,
        ssl_context=context if at_once else None,
        tls_context=None if at_once else context,
        ready_timeout=NEVER,
        enable_SMTPUTF8=True,
        auth_required=login,
        auth_require_tls=login and not at_once,
        authenticator=_authenticate if login else None,
    )
    controller.start()
    try:
        yield where
    finally:
        controller.stop()


def settings_of(port: int, security: SmtpSecurity = SmtpSecurity.NONE, **fields: Any) -> MailServer:
    """The settings for a server on the loopback."""
    given = {"ca_file": None, "credentials": None, "timeout": NEVER, "sender": SENDER, **fields}
    return MailServer("localhost", port, security, **given)
