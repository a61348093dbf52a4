"""Credentials for the API server, which are renewed in place while a process runs."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from kubernetes.aio import client, config

from tenure.kube.exec_plugin import ExecPlugin
from tenure.kube.kubeconfig import UserEntry

REREAD_SECONDS = 60.0
"""How long a token from a file is used before the file is read again."""


class CredentialsError(aiohttp.ClientConnectionError):
    """The credentials can't be had now. It is an error of the connection, because a retry may help."""


class Credentials:
    """Credentials that authenticate nobody, and the base of all others."""

    async def authorization(self) -> str:
        """Return the value of the `Authorization` header, or an empty text.

        Raises:
            CredentialsError: it can't be had now.
        """
        return ""

    def certificate(self) -> bytes:
        """Return the client's certificate and its key as PEM, or nothing.

        Raises:
            OSError: a file can't be read.
        """
        return b""

    def reject(self, authorization: str) -> None:
        """Get newer credentials for the next request, because the API server rejected these."""


@dataclass(frozen=True)
class Bearer(Credentials):
    """A token that somebody else showed, for requests in their name."""

    token: str = field(repr=False)

    async def authorization(self) -> str:
        """Return the header with the token."""
        return f"Bearer {self.token}"


@dataclass
class InCluster(Credentials):
    """The ServiceAccount token of a pod, which the kubelet renews. The client reads its file once a minute."""

    configuration: client.Configuration = field(default_factory=client.Configuration)

    def __post_init__(self) -> None:
        config.load_incluster_config(client_configuration=self.configuration)

    async def authorization(self) -> str:
        """Return the header with the token."""
        try:
            settings = await self.configuration.auth_settings()
        except (OSError, config.ConfigException) as error:
            raise CredentialsError(str(error)) from error
        return str(settings["BearerToken"]["value"])

    def reject(self, authorization: str) -> None:
        """Read the token's file now."""
        del authorization
        with contextlib.suppress(OSError, config.ConfigException):
            config.load_incluster_config(client_configuration=self.configuration)


@dataclass
class User(Credentials):
    """A user of a kubeconfig who has a certificate, a token or a password, each of which may be in a file."""

    entry: UserEntry

    def __post_init__(self) -> None:
        self._token = ""
        self._read_at = float("-inf")

    async def authorization(self) -> str:
        """Return the header with the token or the password."""
        if self.entry.token_file:
            self._read_token()
            return f"Bearer {self._token}"
        if self.entry.token:
            return f"Bearer {self.entry.token}"
        if provider := self.entry.auth_provider:
            return f"Bearer {provider.config.get('id-token', '')}"
        if self.entry.username:
            return aiohttp.encode_basic_auth(self.entry.username, self.entry.password)
        return ""

    def certificate(self) -> bytes:
        """Return the certificate and its key."""
        return self.entry.certificate()

    def reject(self, authorization: str) -> None:
        """Read the token's file again with the next request."""
        del authorization
        self._read_at = float("-inf")

    def _read_token(self) -> None:
        if time.monotonic() - self._read_at < REREAD_SECONDS:
            return
        try:
            self._token = Path(self.entry.token_file).read_text().strip()
        except OSError as error:
            if not self._token:
                raise CredentialsError(str(error)) from error
        self._read_at = time.monotonic()


@dataclass
class Plugin(Credentials):
    """A program that gives a token or a certificate. It runs again once they expire or are rejected."""

    program: ExecPlugin

    def __post_init__(self) -> None:
        self._running = asyncio.Lock()
        self._authorization = ""

    async def authorization(self) -> str:
        """Return the header with the token, after running the program if it is due."""
        async with self._running:
            given = await self.program.credentials()
        self._authorization = f"Bearer {given.token}" if given.token else ""
        return self._authorization

    def certificate(self) -> bytes:
        """Return the certificate and its key that the program gave."""
        return self.program.certificate

    def reject(self, authorization: str) -> None:
        """Run the program again for the next request, unless another request has done so already."""
        if authorization == self._authorization:
            self.program.forget()


def impersonation(user: UserEntry) -> Sequence[tuple[str, str]]:
    """Return the headers for the fields `as`, `as-uid`, `as-groups` and `as-user-extra`."""
    headers = [("Impersonate-User", user.impersonated), ("Impersonate-Uid", user.impersonated_uid)]
    headers += [("Impersonate-Group", group) for group in user.impersonated_groups]
    headers += [
        (f"Impersonate-Extra-{key}", value) for key, values in user.impersonated_extra.items() for value in values
    ]
    return [(name, value) for name, value in headers if value]
