"""The sockets on which Tenure's servers listen, and the check that they are answered."""

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator, Sequence

from tenure.errors import StartRefusedError

ASK_SECONDS = 5.0
"""Interval of the checks, and time limit of each."""

_ALL = ("", "::")
_LOOPBACK = "127.0.0.1"
_BACKLOG = 2048
_MISSES = 3


def listen(host: str, port: int, options: str, *, shared: bool = False) -> socket.socket:
    """Listen on a port, for IPv4 and IPv6 if no host is given. `options` are named in the error.

    One socket serves both families where there is IPv6. If `shared`, other processes may listen on the port too.

    Raises:
        StartRefusedError: the process can't listen there.
    """
    with _refusing(host, port, options):
        listening = _bound(host, port, shared=shared)
        try:
            listening.listen(_BACKLOG)
        except OSError:
            listening.close()
            raise
    return listening


def bind_shared(host: str, port: int, options: str, count: int) -> Sequence[socket.socket]:
    """Bind a number of sockets to a port, for a process each. The kernel gives each connection to one that listens.

    Raises:
        StartRefusedError: the process can't listen there.
    """
    # A program that shares the port with these sockets, such as a second verifier, would otherwise go unnoticed.
    listen(host, port, options).close()
    with _refusing(host, port, options):
        return [_bound(host, port, shared=True) for _ in range(count)]


@contextlib.contextmanager
def _refusing(host: str, port: int, options: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if host else f"port {port}"
        raise StartRefusedError(f"{options}: {place}: {why}") from error


def _bound(host: str, port: int, *, shared: bool) -> socket.socket:
    """Return a socket that is bound as `socket.create_server` does it, but doesn't listen yet."""
    both = host in _ALL and socket.has_dualstack_ipv6()
    bound = socket.socket(socket.AF_INET6 if both else _family(host))
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if bound.family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both else 1)
        # Connections inherit this option. asyncio sets it only if a socket names its protocol, which this one doesn't.
        # Without it, the head and the body of an answer are 40 ms apart on a kept-alive connection.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _family(host: str) -> socket.AddressFamily:
    if not host:
        return socket.AF_INET
    return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]


def own_addresses(listening: socket.socket) -> Sequence[str]:
    """Return the addresses by which the process itself reaches a socket: one for each family that the machine has."""
    host = listening.getsockname()[0]
    loopback = {"0.0.0.0": [_LOOPBACK], "::": [_LOOPBACK, "::1"]}.get(host, [])  # noqa: S104 - this only compares
    return [address for address in loopback if _has(address)] or loopback[:1] or [host]


def _has(address: str) -> bool:
    """Tell whether this machine has an address. An administrator may have switched a family off."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family) as probe:
        probe.bind((address, 0))
        return True
    return False


def plain_address(address: str) -> str:
    """Return a client's address as people write it: one of IPv4 not as `::ffff:192.0.2.1`."""
    if not address.startswith("::ffff:"):
        return address
    try:
        mapped = ipaddress.IPv6Address(address).ipv4_mapped
    except ValueError:
        return address
    return address if mapped is None else str(mapped)


class PortCheck:
    """Asks the process' own port by each address family, because a port of its own for health says nothing of it."""

    def __init__(self, listening: socket.socket, *, tls: bool) -> None:
        self._addresses = own_addresses(listening)
        self._port = listening.getsockname()[1]
        self._tls = _trusting_all() if tls else None
        self._flaw = f"port {self._port} hasn't answered yet"
        self._misses = _MISSES

    def why_not(self) -> str:
        """Return why the process isn't ready: the port hasn't answered several times in a row. Empty if it has."""
        return self._flaw if self._misses >= _MISSES else ""

    async def watch(self) -> None:
        """Ask again and again, until the task is cancelled."""
        while True:
            await self.ask()
            await asyncio.sleep(ASK_SECONDS)

    async def ask(self) -> None:
        """Ask once."""
        for address in self._addresses:
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    await self._ask(address)
            except (OSError, ValueError) as error:
                self._flaw = f"port {self._port} doesn't answer at {address}: {str(error) or 'no answer in time'}"
                self._misses += 1
                return
        self._misses = 0

    async def _ask(self, address: str) -> None:
        """Send a request, whatever the answer is.

        Raises:
            OSError: the port isn't served.
            ValueError: the answer isn't one of HTTP.
        """
        reader, writer = await asyncio.open_connection(address, self._port, ssl=self._tls)
        with contextlib.closing(writer):
            writer.write(b"GET /port-check HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if not (await reader.readline()).startswith(b"HTTP/1."):
                raise ValueError("the answer isn't HTTP")


def _trusting_all() -> ssl.SSLContext:
    """Create a context for a check of the port. The clients decide whether they trust the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
