"""All listeners serve both address families, and a port that isn't answered is noticed."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tenure.errors import StartRefusedError
from tenure.listening import PortCheck, bind_shared, listen, own_addresses, plain_address

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("", ["127.0.0.1", "::1"]),
        ("::", ["127.0.0.1", "::1"]),
        ("0.0.0.0", ["127.0.0.1"]),
        ("127.0.0.2", ["127.0.0.2"]),
        ("::1", ["::1"]),
        ("localhost", None),
    ],
)
def test_without_a_host_both_families_are_served(host: str, reached: list[str] | None) -> None:
    with listen(host, 0, "--host") as listening:
        addresses = own_addresses(listening)
        assert reached is None or addresses == reached
        for address in addresses:
            socket.create_connection((address, listening.getsockname()[1]), timeout=30).close()


def test_a_machine_without_ipv6_is_served_by_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listen("", 0, "--host") as listening:
        assert own_addresses(listening) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("host", "where"),
    [("127.0.0.1", "127.0.0.1:{}"), ("::1", r"\[::1\]:{}"), ("", "port {}")],
)
def test_a_port_that_is_taken_is_named_with_the_option(host: str, where: str) -> None:
    with listen(host, 0, "--host and --port") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            StartRefusedError, match=f"^--host and --port: {where.format(port)}: Address already in use$"
        ):
            listen(host, port, "--host and --port")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", ""])
def test_several_processes_share_a_port_and_no_other_program_does(host: str) -> None:
    with listen(host, 0, "--host and --port") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartRefusedError, match=r"^--host and --port: .*: Address already in use$"):
            bind_shared(host, port, "--host and --port", 2)
    first, second = bind_shared(host, port, "--host and --port", 2)
    with first, second:
        address = (own_addresses(second)[-1], port)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        second.listen()
        socket.create_connection(address).close()
        with pytest.raises(StartRefusedError, match="Address already in use"):
            bind_shared(host, port, "--host and --port", 2)


def test_a_name_that_nobody_has_is_named() -> None:
    with pytest.raises(StartRefusedError, match=r"^--host: no\.such\.invalid:80: "):
        listen("no.such.invalid", 80, "--host")


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:nonsense", "::ffff:nonsense"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_of_ipv4_is_written_as_one(address: str, plain: str) -> None:
    assert plain_address(address) == plain


@contextlib.asynccontextmanager
async def served(listening: socket.socket, serve: Serve) -> AsyncIterator[None]:
    server = await asyncio.start_server(serve, sock=listening)
    try:
        yield
    finally:
        server.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 404 Not Found\r\n\r\n")
    writer.close()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def test_a_port_is_ready_once_it_was_answered_and_no_longer_after_three_misses() -> None:
    with listen("", 0, "--host") as listening:
        check = PortCheck(listening, tls=False)
        port = listening.getsockname()[1]
        assert check.why_not() == f"port {port} hasn't answered yet"
        async with served(listening, answer):
            await check.ask()
            assert check.why_not() == ""
    for _ in range(2):
        await check.ask()
        assert check.why_not() == ""
    await check.ask()
    assert check.why_not().startswith(f"port {port} doesn't answer at 127.0.0.1: ")


async def test_a_family_that_is_not_served_is_named() -> None:
    with listen("", 0, "--host") as both:
        check = PortCheck(both, tls=False)
        port = both.getsockname()[1]
    with listen("127.0.0.1", port, "--host") as one:
        async with served(one, answer):
            await check.ask()
    assert check.why_not().startswith(f"port {port} doesn't answer at ::1: ")


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize(("serve", "says"), [(hang_up, "the answer isn't HTTP"), (hang, "no answer in time")])
async def test_a_port_that_is_open_but_not_answered_is_not_ready(
    serve: Serve, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenure.listening.ASK_SECONDS", 0.2)
    with listen("127.0.0.1", 0, "--host") as listening:
        check = PortCheck(listening, tls=False)
        async with served(listening, serve):
            await check.ask()
    assert check.why_not().endswith(f"doesn't answer at 127.0.0.1: {says}")
