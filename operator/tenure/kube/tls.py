"""TLS to the API server, with an authority and a client's certificate that are renewed in place."""

import contextlib
import logging
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

log = logging.getLogger("tenure.tls")


@dataclass(frozen=True)
class Material:
    """The PEM texts of a TLS client."""

    authority: bytes | None = None
    """The authorities that sign the API server's certificate. None: those that this machine trusts."""

    certificate: bytes = b""
    """The client's certificate and its private key. Empty if it has none."""


class RenewedContext(ssl.SSLContext):
    """A client's TLS context that uses the newest authority and certificate for each new connection.

    It reads them for each connection, and creates another context if they changed. Adding the new authority to the
    context in use would be simpler, but would keep the old one trusted. And without key identifiers, as on EKS, OpenSSL
    doesn't try both if they have the same name.

    Raises:
        OSError: a file can't be read.
        ValueError: a file has no PEM text.
        ssl.SSLError: a PEM text can't be used.
    """

    def __new__(cls, *_: object, **__: object) -> Self:
        """Create the context. `ssl.SSLContext` takes the protocol here."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, read: Callable[[], Material], *, server_name: str = "", insecure: bool = False) -> None:
        self._read = read
        self.server_name = server_name
        """The name that the server's certificate must have. Empty: the host of the URL."""
        self._insecure = insecure
        self._flaw = ""
        self._material = read()
        self._current = _context(self._material, insecure=insecure)

    @property
    def authenticates(self) -> bool:
        """Whether the client has a certificate."""
        return bool(self._material.certificate)

    @property
    def current(self) -> ssl.SSLContext:
        """The context for the next connection. If the files are unusable now, it is the one before."""
        try:
            material = self._read()
            if material != self._material:
                self._current, self._material = _context(material, insecure=self._insecure), material
                log.info("Reloaded the certificates for the connection to the API server, because they were renewed")
            self._flaw = ""
        except (OSError, ValueError) as error:
            if str(error) != self._flaw:
                self._flaw = str(error)
                log.warning("The renewed certificates can't be loaded, so Tenure keeps the ones before: %s", error)
        return self._current

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the signature of the standard library
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection. asyncio calls this for each one, also for those through a proxy."""
        name = self.server_name or server_hostname
        return self.current.wrap_bio(incoming, outgoing, server_side, name, session)


def _context(material: Material, *, insecure: bool) -> ssl.SSLContext:
    authority = None if material.authority is None else material.authority.decode(errors="replace")
    if authority is not None and "BEGIN" not in authority:
        # The standard library would take an empty text for none, and trust what this machine trusts.
        raise ValueError("the file of the API server's authority has no certificate in PEM")
    context = ssl.create_default_context(cadata=authority)
    # From Python 3.13 on, a chain must also have key identifiers, which the authorities of EKS and others lack. kubectl
    # and the controllers written in Go don't ask for them. Chain, host name and expiry are checked all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if material.certificate:
        load_chain(context, material.certificate)
    return context


def load_chain(context: ssl.SSLContext, pem: bytes) -> None:
    """Load a certificate and its key into a context. The key is never written to a disk where that can be avoided.

    Raises:
        ssl.SSLError: they can't be used.
    """
    with _file_with(pem) as path:
        context.load_cert_chain(path)


@contextlib.contextmanager
def _file_with(text: bytes) -> Iterator[str]:
    """Give the path of a file in memory. Where there are none, such as on macOS, the file is deleted after its use."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("tenure-certificate")
        try:
            os.write(descriptor, text)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(text)
            file.flush()
            yield file.name
