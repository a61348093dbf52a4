"""Keeps the listener's certificate valid: loaded in place, so that no connection is refused meanwhile."""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tenure.certificates.authority import KeyPair
from tenure.errors import StartRefusedError, TenureError

log = logging.getLogger("tenure.tls")

_FILES_PAUSE_SECONDS = 10.0


class Keeper(Protocol):
    """Has a serving certificate in a TLS context, and keeps it valid."""

    context: ssl.SSLContext

    async def look(self) -> bool:
        """Do what is due; whether the certificate was replaced."""

    @property
    def pause(self) -> float:
        """Seconds until it should look again."""

    @property
    def served(self) -> KeyPair | None:
        """The certificate that is served; None: there is none yet."""


def server_context() -> ssl.SSLContext:
    """A TLS context for a listener, still without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Have new connections get a certificate; the key never touches a disk.

    Not loaded into the context itself, which would keep an old certificate beside a new one of another kind of key.

    Raises:
        ssl.SSLError: they can't be used; what was served before still is.
    """
    served = server_context()
    descriptor = os.memfd_create("tenure-certificate")
    try:
        os.write(descriptor, pair.certificate + pair.key)
        served.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)

    def switch(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = served

    context.sni_callback = switch


@dataclass
class GivenFiles:
    """Serves a certificate from files that somebody else renews, such as cert-manager."""

    certificate: Path
    key: Path

    def __post_init__(self) -> None:
        self.context = server_context()
        self._loaded: KeyPair | None = None

    @property
    def pause(self) -> float:
        """Seconds until it should look again."""
        return _FILES_PAUSE_SECONDS

    @property
    def served(self) -> KeyPair | None:
        """The certificate that is served; None: there is none yet."""
        return self._loaded

    async def look(self) -> bool:
        """Load the files, if they changed."""
        try:
            pair = KeyPair(self.certificate.read_bytes(), self.key.read_bytes())
            if pair == self._loaded:
                return False
            pair.check()
            ends = pair.ends
            if ends <= datetime.now(UTC):
                raise StartRefusedError(f"--tls-cert-file {self.certificate}: the certificate expired on {ends}")
            load_pair(self.context, pair)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise StartRefusedError(
                f"--tls-cert-file {self.certificate}, --tls-key-file {self.key}: {error}"
            ) from error
        self._loaded = pair
        log.info("Loaded certificate %s, valid until %s", self.certificate, ends)
        return True


async def keep(keeper: Keeper, replaced: Callable[[], None]) -> None:
    """Look again and again; `replaced` is called after each new certificate."""
    while True:
        await asyncio.sleep(keeper.pause)
        try:
            if await keeper.look():
                replaced()
        except TenureError as error:
            log.warning("The certificate can't be renewed now. Trying again in %.0f s: %s", keeper.pause, error)
        except Exception:
            log.exception("The certificate can't be renewed now. Trying again in %.0f s", keeper.pause)
