"""Gives letters to the mail server, and says what became of each."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import parseaddr
from enum import StrEnum

import aiosmtplib

from tenure.domain.letters.words import on_one_line, without_secrets
from tenure.mail_settings import MailServer, SmtpSecurity

log = logging.getLogger("tenure.mail")

MAX_WORDS = 300
"""Maximum length of a mail server's answer in a status."""

_PERMANENT = 500


class Outcome(StrEnum):
    """What became of a letter."""

    SENT = "sent"
    """The mail server took it."""

    REJECTED = "rejected"
    """The mail server rejected it for good."""

    LATER = "later"
    """The mail server didn't take it now."""

    UNKNOWN = "unknown"
    """The connection broke, so nobody knows."""


@dataclass(frozen=True)
class Answer:
    """What became of a letter, and the mail server's words."""

    outcome: Outcome
    words: str = ""


class ServerTroubleError(Exception):
    """The mail server can't be used now, whatever the letter is. The text says why."""


class Smtp:
    """A connection to the mail server, on which letters are sent one after the other."""

    def __init__(self, server: MailServer, client: aiosmtplib.SMTP) -> None:
        self._sender = parseaddr(server.sender)[1]
        self._client = client
        self.usable = True
        """False once an answer didn't come. A late one could be taken for that to the next letter."""

    async def send(self, message: EmailMessage) -> Answer:
        """Send a letter.

        Raises:
            ServerTroubleError: the mail server takes no letter of this sender, so the others needn't be tried.
        """
        recipient = parseaddr(str(message["To"]))[1]
        wide = isinstance(message.policy, EmailPolicy) and message.policy.utf8
        if wide and not self._client.supports_extension("smtputf8"):
            return Answer(Outcome.REJECTED, "the mail server takes only addresses in ASCII (no SMTPUTF8)")
        refused = await self._offer(recipient, wide=wide)
        if refused is not None:
            if self.usable:
                await self._reset()
            return refused
        try:
            await self._client.data(message.as_bytes())
        except aiosmtplib.SMTPResponseException as error:
            await self._reset()
            return _answered(error, recipient)
        except (aiosmtplib.SMTPException, OSError) as error:
            self.usable = False
            return Answer(Outcome.UNKNOWN, _reason(error, recipient))
        return Answer(Outcome.SENT)

    async def _offer(self, recipient: str, *, wide: bool) -> Answer | None:
        """Name sender and recipient, and return None if the mail server wants the letter."""
        encoding = "utf-8" if wide else "ascii"
        try:
            await self._client.mail(self._sender, options=["SMTPUTF8"] if wide else [], encoding=encoding)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ServerTroubleError(f"it doesn't take letters from {self._sender}: {_reason(error)}") from error
        try:
            await self._client.rcpt(recipient, encoding=encoding)
        except aiosmtplib.SMTPResponseException as error:
            if error.code == aiosmtplib.SMTPStatus.domain_unavailable:
                raise ServerTroubleError(_reason(error, recipient)) from error
            return _answered(error, recipient)
        except (aiosmtplib.SMTPException, OSError) as error:
            # Some mail servers ask that of the recipient. If it doesn't answer, no other letter should wait for it.
            self.usable = False
            return Answer(Outcome.LATER, _reason(error, recipient))
        return None

    async def _reset(self) -> None:
        """End the letter, so that the next one can begin."""
        try:
            await self._client.rset()
        except (aiosmtplib.SMTPException, OSError):
            log.debug("The mail server ended the connection after it rejected a letter")


Connect = Callable[[], contextlib.AbstractAsyncContextManager[Smtp]]
"""Opens a connection while a block runs, or raises `ServerTroubleError`."""


def connector(server: MailServer) -> Connect:
    """Return what opens connections to a mail server."""

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[Smtp]:
        client = await _client(server)
        try:
            try:
                await client.connect()
                await client.ehlo()
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                raise ServerTroubleError(f"{server.host}:{server.port}: {_reason(error)}") from error
            yield Smtp(server, client)
        finally:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await client.quit()
            client.close()

    return connect


async def _client(server: MailServer) -> aiosmtplib.SMTP:
    try:
        username, password = await asyncio.to_thread(_credentials, server)
        context = None if server.security is SmtpSecurity.NONE else await asyncio.to_thread(_context, server)
    except (OSError, ValueError) as error:
        raise ServerTroubleError(f"the files of the login or the authority can't be read: {error}") from error
    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=username,
        password=password,
        timeout=server.timeout,
        use_tls=server.security is SmtpSecurity.TLS,
        start_tls=server.security is SmtpSecurity.STARTTLS,
        tls_context=context,
    )


def _credentials(server: MailServer) -> tuple[str | None, str | None]:
    if server.credentials is None:
        return None, None
    username, password = ((server.credentials / name).read_text("utf-8").strip() for name in ("username", "password"))
    return username, password


def _context(server: MailServer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=None if server.ca_file is None else str(server.ca_file))


def _answered(error: aiosmtplib.SMTPResponseException, recipient: str) -> Answer:
    outcome = Outcome.REJECTED if error.code >= _PERMANENT else Outcome.LATER
    return Answer(outcome, _reason(error, recipient))


def _reason(error: Exception, recipient: str = "") -> str:
    text = f"{error.code} {error.message}" if isinstance(error, aiosmtplib.SMTPResponseException) else str(error)
    return on_one_line(without_secrets(text, recipient), MAX_WORDS) or type(error).__name__
