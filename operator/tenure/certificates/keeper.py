"""Keeps a listener's certificate valid. It replaces the certificate without rejecting any connection."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tenure.certificates.authority import KeyPair
from tenure.errors import StartRefusedError, TenureError
from tenure.kube.tls import load_chain
from tenure.observability.metrics import Metric, Reading

log = logging.getLogger("tenure.tls")

_FILES_PAUSE_SECONDS = 10.0


class Keeper(Protocol):
    """Keeps the serving certificate of a TLS context valid."""

    context: ssl.SSLContext

    async def look(self) -> bool:
        """Renew or reload what is due, and return whether the certificate was replaced."""

    @property
    def pause(self) -> float:
        """Seconds until `look` should be called again."""

    @property
    def served(self) -> KeyPair | None:
        """The certificate that is served, or None if there is none yet."""


def server_context() -> ssl.SSLContext:
    """Create a TLS context for a listener, without a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Serve a certificate to new connections. The key is never written to a disk.

    The pair isn't loaded into the context itself, because that would keep an old certificate beside a new one with
    another type of key.

    Raises:
        ssl.SSLError: the pair can't be used. The certificate before it is still served.
    """
    served = server_context()
    if authorities := context.get_ca_certs(binary_form=True):  # Those that clients' certificates are checked by.
        served.load_verify_locations(cadata=b"".join(authorities))
        served.verify_mode = context.verify_mode
    load_chain(served, pair.certificate + pair.key)

    def switch(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = served

    context.sni_callback = switch


@dataclass
class GivenFiles:
    """Serves a certificate from files that another program renews, such as cert-manager."""

    certificate: Path
    key: Path

    def __post_init__(self) -> None:
        self.context = server_context()
        self._loaded: KeyPair | None = None

    @property
    def pause(self) -> float:
        """Seconds until `look` should be called again."""
        return _FILES_PAUSE_SECONDS

    @property
    def served(self) -> KeyPair | None:
        """The certificate that is served, or None if there is none yet."""
        return self._loaded

    async def look(self) -> bool:
        """Load the files if they changed, and return whether they did.

        Raises:
            StartRefusedError: the files can't be used, or the certificate has expired.
        """
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


def read_times(keeper: Keeper, expiry: Metric, renewal: Metric) -> list[Reading]:
    """Return when the certificate that is served expires, and when it should be replaced. Empty if there is none."""
    served = keeper.served
    if served is None:
        return []
    return [Reading(expiry, served.ends.timestamp()), Reading(renewal, served.renewal.timestamp())]


async def keep(keeper: Keeper, replaced: Callable[[], None]) -> None:
    """Call `look` forever, and `replaced` after each new certificate. Errors are logged."""
    while True:
        await asyncio.sleep(keeper.pause)
        try:
            if await keeper.look():
                replaced()
        except TenureError as error:
            log.warning("The certificate can't be renewed now. Trying again in %.0f s: %s", keeper.pause, error)
        except Exception:  # An error in one look must not prevent the next one. It is logged with its traceback.
            log.exception("The certificate can't be renewed now. Trying again in %.0f s", keeper.pause)
