"""The settings of mail, which `tenure mail` takes: the mail server, the links, and the limits."""

from dataclasses import dataclass
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from tenure.domain.letters.rates import Limits
from tenure.errors import StartRefusedError
from tenure.options import Option, Setting
from tenure.web_addresses import check_base_url


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is encrypted."""

    STARTTLS = "STARTTLS"
    TLS = "TLS"
    """From the first byte on, usually on port 465."""
    NONE = "None"


def _check_address(text: str) -> str:
    _, address = parseaddr(text)
    if text and (address.count("@") != 1 or any(one.isspace() for one in address) or not text.isprintable()):
        raise ValueError(f"{text!r} is not an address, for example 'Acme <tenure@acme.io>'.")
    return text


@dataclass(frozen=True)
class MailServer:
    """A mail server, and how to connect to it."""

    host: str
    port: int
    security: SmtpSecurity
    ca_file: Path | None
    credentials: Path | None
    """A folder with the files `username` and `password`, or None if it needs no login."""

    timeout: float
    """Seconds for each answer."""

    sender: str


@dataclass(frozen=True, kw_only=True)
class SmtpSettings:
    """Settings of the connection to the mail server."""

    smtp_host: Annotated[
        str,
        Setting(
            "Host of the mail server. Without it no letter is sent, but the process still serves links and texts to "
            "copy.",
            chart="mail.smtp.host",
        ),
    ] = ""
    smtp_server_port: Annotated[
        int,
        Setting(
            "Port of the mail server, usually 587 for STARTTLS and 465 for TLS.",
            min=1,
            max=65535,
            chart="mail.smtp.port",
        ),
    ] = 587
    smtp_security: Annotated[
        SmtpSecurity,
        Setting(
            "Encryption of the connection to the mail server. STARTTLS: required, so a server that doesn't offer it "
            "gets no letter. TLS: from the first byte on. None: plain text, for a server on the same host.",
            chart="mail.smtp.security",
        ),
    ] = SmtpSecurity.STARTTLS
    smtp_ca_file: Annotated[
        Path | None,
        Setting(
            "File with the authority of the mail server's certificate. Default: the authorities that this machine "
            "trusts."
        ),
    ] = None
    smtp_credentials: Annotated[
        Path | None,
        Setting(
            "Folder with the files username and password, for example a mounted Secret. They are read again for each "
            "connection. Default: the mail server needs no login."
        ),
    ] = None
    smtp_timeout: Annotated[
        float,
        Setting(
            "Seconds that the mail server may take for one answer.", min=1, max=600, chart="mail.smtp.timeoutSeconds"
        ),
    ] = 30.0
    mail_from: Annotated[
        str,
        Setting("Address of the sender, for example 'Acme <tenure@acme.io>'.", check=_check_address, chart="mail.from"),
    ] = ""

    def __post_init__(self) -> None:
        """Reject a mail server without a sender, and a login in plain text."""
        if self.smtp_host and not self.mail_from:
            raise StartRefusedError("--smtp-host needs --mail-from, for example --mail-from='Acme <tenure@acme.io>'")
        if self.smtp_credentials is not None and self.smtp_security is SmtpSecurity.NONE:
            raise StartRefusedError(
                "--smtp-credentials with --smtp-security=None would send the password in plain text. Set "
                "--smtp-security=STARTTLS or TLS"
            )

    @property
    def mail_server(self) -> MailServer | None:
        """The mail server, or None if there is none."""
        if not self.smtp_host:
            return None
        return MailServer(
            self.smtp_host,
            self.smtp_server_port,
            self.smtp_security,
            self.smtp_ca_file,
            self.smtp_credentials,
            self.smtp_timeout,
            self.mail_from,
        )


@dataclass(frozen=True, kw_only=True)
class LetterSettings(SmtpSettings):
    """Settings of the letters, their links and their limits."""

    base_url: Annotated[
        str,
        Setting(
            "URL under which people reach this process, for example https://acme.io/tenure. The links in letters begin "
            "with it.",
            check=check_base_url,
            chart="mail.baseUrl",
        ),
    ] = ""
    signing_keys: Annotated[
        Path | None,
        Setting("Folder with the keys that sign links, one in each file. The newest signs."),
    ] = None
    templates: Annotated[
        Path | None,
        Setting(
            "Folder with templates of letters that replace shipped ones, for example a mounted ConfigMap with the key "
            "de.invited.txt. Default: the shipped ones."
        ),
    ] = None
    dry_run: Annotated[bool, Option("Print the letters that are due now, without sending them, and exit.")] = False
    installation_limit: Annotated[
        int,
        Setting(
            "Maximum number of letters in an hour, of all organizations together.",
            min=1,
            max=600,
            chart="mail.limits.installationPerHour",
        ),
    ] = 500
    organization_limit: Annotated[
        int,
        Setting(
            "Maximum number of letters in an hour for an organization.",
            min=1,
            max=600,
            chart="mail.limits.organizationPerHour",
        ),
    ] = 100
    address_limit: Annotated[
        int,
        Setting(
            "Maximum number of letters in 24 hours to an address, of all organizations.",
            min=1,
            max=100,
            chart="mail.limits.addressPerDay",
        ),
    ] = 5
    resend_limit: Annotated[
        int,
        Setting(
            "Maximum number of times in 24 hours that people can resend an invitation.",
            min=1,
            max=100,
            chart="mail.limits.resendsPerDay",
        ),
    ] = 3

    def __post_init__(self) -> None:
        """Reject links that nobody could sign."""
        super().__post_init__()
        if self.base_url and self.signing_keys is None:
            raise StartRefusedError("--base-url needs --signing-keys, because the links in letters are signed")
        if self.smtp_host and not self.base_url:
            raise StartRefusedError("--smtp-host needs --base-url, because letters have links to it")

    @property
    def limits(self) -> Limits:
        """The limits of letters."""
        return Limits(
            installation_an_hour=self.installation_limit,
            organization_an_hour=self.organization_limit,
            address_a_day=self.address_limit,
            resends_a_day=self.resend_limit,
        )
