"""The settings of the console behind a login: its address, and how it learns who somebody is."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from tenure.errors import StartRefusedError
from tenure.options import Setting
from tenure.web_addresses import check_base_url, check_edit_url, check_issuer


class ConsoleMode(StrEnum):
    """How the console asks the API server as the person who uses it."""

    PASS_THROUGH = "PassThrough"  # noqa: S105 - no password
    """With the person's own token, which the API server knows."""

    IMPERSONATION = "Impersonation"
    """In the person's name, which is in an ID token that the console verifies itself."""


@dataclass(frozen=True, kw_only=True)
class LoginSettings:
    """How the console learns who somebody is."""

    mode: Annotated[
        ConsoleMode,
        Setting(
            "How the console asks the API server as you. PassThrough: with your own token, which the API server must "
            "accept. Impersonation: in your name, which the console reads from your verified ID token. It needs "
            "Kubernetes 1.36 or newer.",
            chart="console.mode",
        ),
    ] = ConsoleMode.PASS_THROUGH
    api_server: Annotated[
        str,
        Setting("URL of the API server for --mode=PassThrough. Default: that of the cluster around the pod."),
    ] = ""
    api_server_ca_file: Annotated[
        Path | None,
        Setting(
            "File with the authority of the API server's certificate for --mode=PassThrough. Default: the authorities "
            "that this machine trusts."
        ),
    ] = None
    issuer_url: Annotated[
        str,
        Setting(
            "Issuer of the ID tokens for --mode=Impersonation, for example https://login.acme.io.",
            check=check_issuer,
            chart="console.oidc.issuerUrl",
        ),
    ] = ""
    issuer_ca_file: Annotated[
        Path | None,
        Setting(
            "File with the authority of the issuer's certificate. Default: the authorities that this machine trusts."
        ),
    ] = None
    client_id: Annotated[
        str,
        Setting(
            "Audience that ID tokens must have for --mode=Impersonation, which is the client of your login.",
            chart="console.oidc.clientId",
        ),
    ] = ""
    username_claim: Annotated[
        str,
        Setting(
            "Claim of ID tokens with the user name, for --mode=Impersonation. An email must be verified "
            "(email_verified).",
            chart="console.oidc.usernameClaim",
        ),
    ] = "email"

    def __post_init__(self) -> None:
        """Reject impersonation of names that nobody could prove."""
        if self.mode is ConsoleMode.IMPERSONATION and not (self.issuer_url and self.client_id):
            raise StartRefusedError(
                "--mode=Impersonation needs --issuer-url and --client-id, for example "
                "--issuer-url=https://login.acme.io --client-id=tenure"
            )


@dataclass(frozen=True, kw_only=True)
class PageAddressSettings:
    """Where the pages are, and what they offer."""

    console_url: Annotated[
        str,
        Setting(
            "URL under which people reach the console, for example https://console.acme.io or https://acme.io/tenure. "
            "Requests for another host or path are rejected.",
            check=check_base_url,
            chart="console.url",
        ),
    ] = ""
    console_host: Annotated[
        str, Setting("Address on which the console listens. Default: all addresses, of IPv4 and IPv6.")
    ] = ""
    console_port: Annotated[int, Setting("Port on which the console listens.", min=1, max=65535)] = 8080
    read_only: Annotated[bool, Setting("Show everything, and offer no change.", names=("--read-only",))] = False
    edit_url: Annotated[
        str,
        Setting(
            "Address of an object's file in Git, with {namespace}, {kind} (for example memberships) and {name} in it. "
            "The console links it where a tool manages the object.",
            check=check_edit_url,
            chart="console.editUrl",
        ),
    ] = ""
    login_url: Annotated[
        str,
        Setting(
            "Address at which people log in again once their token has expired, for example /oauth2/start. Default: "
            "the console's own.",
            chart="console.loginUrl",
        ),
    ] = ""
    form_key_file: Annotated[
        Path | None,
        Setting(
            "File with at least 32 random bytes that seal forms. All replicas need the same. Default: a key that is "
            "new at each start."
        ),
    ] = None

    def __post_init__(self) -> None:
        """Reject a console without an address, because its Host couldn't be checked."""
        if not self.console_url:
            raise StartRefusedError(
                "--console-url is missing. Set it to the URL under which people reach the console, for example "
                "--console-url=https://console.acme.io"
            )
