"""While the API server is away, requests fail at once, loops wait, and one probe at a time is sent."""

import asyncio
import logging
from http import HTTPStatus
from types import SimpleNamespace

import aiohttp
import pytest
from multidict import CIMultiDict
from yarl import URL

from tenure.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    ObjectNotFoundError,
    RejectedError,
    UnauthorizedError,
    UnavailableError,
)
from tenure.kube.answers import parse_answer
from tenure.kube.breaker import FAILURES, Breaker, Loop
from tenure.kube.gate import Gate, is_trouble

pytestmark = pytest.mark.asyncio(loop_scope="function")

DOWN = UnavailableError("GET /: refused")
BUSY = UnavailableError("GET /: busy", status=503)
WEBHOOK = 'admission webhook "a.example.com" denied the request'


class Server:
    """An API server by its state, and how often it was probed."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.probes: list[float] = []
        self.probing = 0

    async def probe(self) -> None:
        self.probes.append(asyncio.get_running_loop().time())
        self.probing += 1
        assert self.probing == 1
        await asyncio.sleep(0.1)
        self.probing -= 1
        if self.error is not None:
            raise self.error

    def gate(self) -> Gate:
        return Gate(self.probe, Breaker(chance=lambda: 1.0))

    async def request(self, gate: Gate, own: ApiError | None = None) -> None:
        """Make a request. `own` is its own error, whatever the state of the API server."""
        with gate.passing("GET /"):
            await asyncio.sleep(0.01)
            if own or self.error:
                raise own or self.error or DOWN


async def _request(server: Server, gate: Gate, times: int, own: ApiError | None = None) -> None:
    for _ in range(times):
        with pytest.raises(ApiError):
            await server.request(gate, own)
    await asyncio.sleep(0.2)  # The probe of a doubt takes half as long.


async def test_requests_fail_at_once_and_loops_wait_until_a_probe_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    server, loop = Server(), asyncio.get_running_loop()
    caplog.set_level(logging.INFO)
    gate, server.error = server.gate(), BUSY
    await _request(server, gate, FAILURES)
    began = loop.time()
    with pytest.raises(UnavailableError, match="not sent, because the API server is away: GET /: busy") as raised:
        await server.request(gate)
    assert raised.value.status == BUSY.status, "the webhook stays ready, because the API server answers"
    assert loop.time() == began
    turns = [asyncio.create_task(gate.turn(Loop.WORK)) for _ in range(100)]
    await asyncio.sleep(600)
    assert not any(turn.done() for turn in turns)
    assert len(server.probes) <= 600 / 5 + 5
    server.error = None
    await asyncio.gather(*turns)
    await server.request(gate)
    assert len([record for record in caplog.records if "has been away" in record.getMessage()]) <= 11
    assert "answers again after" in caplog.records[-1].getMessage()
    await gate.close()


@pytest.mark.parametrize(
    "own",
    [DOWN, BUSY, UnavailableError("POST /: Internal error", status=500), ObjectNotFoundError("GET /", status=404)],
)
async def test_one_object_that_always_fails_stops_no_other(own: ApiError) -> None:
    server = Server()
    gate = server.gate()
    for _ in range(20):
        await _request(server, gate, FAILURES, own)
        await server.request(gate)
    assert len(server.probes) <= 20
    await gate.close()


class Answer:
    """What a middleware gets from the API server."""

    def __init__(self, status: int) -> None:
        self.status, self.headers = status, CIMultiDict[str]()

    async def read(self) -> bytes:
        return b"busy"


class Request:
    """What a middleware gets from Kopf."""

    method, url = "GET", URL("https://127.0.0.1/apis")

    def __init__(self, *, closed: bool = False) -> None:
        self.session = SimpleNamespace(closed=closed)


async def test_kopf_learns_at_once_that_its_session_is_closed() -> None:
    async def send(_: object) -> Answer:
        raise aiohttp.ClientConnectionError("Connector is closed.")

    with pytest.raises(aiohttp.ClientConnectionError):
        await Server().gate().patiently(Request(closed=True), send)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [0, 401, 429, 500, 503])
async def test_kopf_never_learns_of_an_outage(status: int, caplog: pytest.LogCaptureFixture) -> None:
    server, sent = Server(), 0
    gate, server.error = server.gate(), UnavailableError("GET /: no", status=status)

    async def send(_: object) -> Answer:
        nonlocal sent
        sent += 1
        if server.error is None:
            return Answer(200)
        if not status:
            raise aiohttp.ClientConnectionError("refused")
        return Answer(status)

    request = Request()
    reading = asyncio.create_task(gate.patiently(request, send))  # type: ignore[arg-type]
    await asyncio.sleep(600)
    assert not reading.done()
    assert sent <= 2 * FAILURES, "then it waits"
    assert len(caplog.records) <= 12
    server.error = None
    assert (await reading).status == HTTPStatus.OK
    await gate.close()


@pytest.mark.parametrize("status", [200, 403, 404, 410])
async def test_kopf_gets_every_other_answer(status: int) -> None:
    async def send(_: object) -> Answer:
        return Answer(status)

    request = Request()
    gate = Server().gate()
    assert (await gate.patiently(request, send)).status == status  # type: ignore[arg-type]


async def test_a_defect_of_the_probe_ends_no_probes() -> None:
    server = Server()
    gate, server.error = server.gate(), DOWN
    await _request(server, gate, FAILURES)
    server.error = ZeroDivisionError()
    await asyncio.sleep(60)
    server.error = None
    await gate.turn(Loop.WORK)
    await gate.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UnavailableError("no answer"), True),
        (UnavailableError("x", status=500), True),
        (UnavailableError("x", status=503), True),
        (UnavailableError("x", status=429), True),
        (UnavailableError(f"POST /: {WEBHOOK}", status=429), False),
        (UnauthorizedError("x", status=401), True),
        (UnavailableError("the answer isn't a JSON object", status=200), False),
        (UnavailableError("gone", status=410), False),
        (ObjectNotFoundError("x", status=404), False),
        (ConflictError("x", status=409), False),
        (RejectedError("x", status=422), False),
        (ForbiddenError("x", status=403), False),
    ],
)
async def test_what_may_mean_that_the_api_server_is_away(error: ApiError, *, expected: bool) -> None:
    assert is_trouble(error) is expected


@pytest.mark.parametrize(
    ("code", "text", "throttled"),
    [
        (429, b"Too many requests, please try again later.", True),
        (429, b'{"kind": "Status", "message": "storage is (re)initializing"}', False),
        (503, b"Too many requests, please try again later.", False),
    ],
)
async def test_only_the_api_servers_own_text_throttles(code: int, text: bytes, *, throttled: bool) -> None:
    with pytest.raises(UnavailableError) as raised:
        parse_answer("GET /", code, text, "1")
    assert raised.value.throttled is throttled


async def test_a_throttled_flow_closes_the_gate_and_the_probe_waits_as_asked() -> None:
    server = Server()
    gate = server.gate()
    throttled = UnavailableError("GET /: too many", status=429, throttled=True, retry_after=7.0)
    server.error = throttled
    began = asyncio.get_running_loop().time()
    await _request(server, gate, FAILURES)
    assert gate.is_closed
    server.error = None
    await gate.turn(Loop.WORK)
    assert server.probes[0] - began >= 7.0
    await gate.close()
