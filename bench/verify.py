"""How fast one verifier process answers, beside the same server with an empty handler."""

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.api import API_VERSION, Api, collection
from bench.figures import Deciding, Memory, Verifying
from bench.operators import TENURE, Launcher, Operator
from bench.tenancy import Tenancy
from bench.timing import compare
from bench.usage import Usage
from bench.wrk import load
from tenure.domain.resources import KINDS
from tenure.domain.roles import Capability
from tenure.domain.tokens import CHECKSUM_LENGTH, ENTROPY_BYTES, PREFIX, SECRET_LENGTH, Token, _checksum
from tenure.domain.verification import Question
from tenure.kube.list_watch import Indexed
from tenure.verifier.index import Index
from tenure.verifier.verifier import look_up
from tenure_dev import verifier
from tenure_dev.controlplane import free_ports
from tenure_dev.processes import Process

READY_WITHIN = 60.0
WARM_SECONDS = 2
TOKENS = 500
"""Different ones that are asked about; all keys are in the index."""
DECISIONS = 20_000

UNRECORDED = Operator("no-usage", "without the record of use", ("--no-usage",))
"""The verifier that doesn't remember when keys were used."""
FORMER = Operator("former", "with a former token each", ())
"""The verifier, when all keys were rotated and their former tokens are valid."""
EMPTY_SERVER = Operator("empty-server", "the same server, empty handler", ())

_EMPTY = Path(__file__).resolve().parent / "empty_server.py"
_PATH = "/v1/authorize?organization=acme&capability=costs&level=View"


async def verify(
    api: Api,
    launcher: Launcher,
    place: Tenancy,
    keys: int,
    *,
    quick: bool,
    options: Sequence[str] = (),
    former: Sequence[Token] = (),
) -> Verifying:
    """Ask the verifier, which knows so many keys, about some of them, and about these former tokens."""
    tokens = [*await read_tokens(api, place, keys), *former]
    async with _verifier(launcher, *options) as (process, port):
        return await _measure(process, port, [_request(token) for token in tokens], keys, launcher.folder, quick=quick)


async def serve_empty(launcher: Launcher, *, quick: bool) -> Verifying:
    """The same requests, to a server that looks at none."""
    (port,) = free_ports(1)
    process = launcher.process(TENURE, ("-m", "bench.empty_server", str(port)), {"PYTHONPATH": str(_EMPTY.parents[1])})
    process.start()
    try:
        await _until(process, lambda: _listens(port))
        requests = [_request(_unknown(number)) for number in range(TOKENS)]
        return await _measure(process, port, requests, 0, launcher.folder, quick=quick)
    finally:
        process.stop()


async def decide(api: Api, launcher: Launcher, place: Tenancy, keys: int, *, quick: bool) -> Deciding:
    """Time decisions without HTTP, and see whether the time of an answer tells a wrong secret from an unknown id."""
    tokens = await read_tokens(api, place, keys)
    count = 1000 if quick else 10_000
    async with _verifier(launcher) as (_, port):
        forged = [_forged(token) for token in tokens]
        unknown = [_unknown(number) for number in range(len(tokens))]
        t = await asyncio.to_thread(compare, port, [*map(_request, unknown)], [*map(_request, forged)], count)
    return Deciding(keys, await _decision(api, place, tokens), t, count)


async def _decision(api: Api, place: Tenancy, tokens: Sequence[Token]) -> float:
    index, now = Index(), datetime.now(UTC)
    for kind in KINDS:
        bodies = (await api.get(collection(place.namespace, kind.plural)))["items"]
        whole = [Indexed.of(kind, {**body, "apiVersion": API_VERSION, "kind": kind.kind}) for body in bodies]
        await index.replace(kind, whole, now)
    question, texts, taken = Question("acme", Capability.COSTS), [token.reveal() for token in tokens], []
    for number in range(DECISIONS):
        text = texts[number % len(texts)]
        began = time.perf_counter()
        look_up(index, text, question, datetime.now(UTC))
        taken.append((time.perf_counter() - began) * 1e6)
    return statistics.median(taken)


async def _measure(
    process: Process, port: int, requests: Sequence[bytes], keys: int, folder: Path, *, quick: bool
) -> Verifying:
    seconds = 3 if quick else 15
    usage = Usage(process.pid)
    try:
        await load(port, requests, folder, seconds=WARM_SECONDS)
        before = usage.spent()
        full = await load(port, requests, folder, seconds=seconds)
        half = await load(port, requests, folder, seconds=seconds, per_second=full.per_second / 2)
        spent = usage.spent() - before
        memory = Memory(peak=usage.peak(0.0) / 1e6, end=usage.sample().rss / 1e6)
    finally:
        usage.stop()
    return Verifying(
        keys=keys,
        requests_per_second=full.per_second,
        p50_ms=half.p50_ms,
        p99_ms=half.p99_ms,
        half_per_second=half.per_second,
        failures=full.failures + half.failures,
        cpu_us=spent.operator * 1e6 / max(seconds * (full.per_second + half.per_second), 1),
        memory=memory,
        others_percent=spent.others_percent,
    )


async def read_tokens(api: Api, place: Tenancy, keys: int) -> list[Token]:
    """Read the tokens of the first keys from their Secrets."""
    names = [place.key(number)["metadata"]["name"] for number in range(min(keys, TOKENS))]
    secrets = [json.loads(await api.send("GET", f"{place.secrets}/{name}")) for name in names]
    return [Token(base64.b64decode(secret["data"]["token"]).decode()) for secret in secrets]


@asynccontextmanager
async def _verifier(launcher: Launcher, *options: str) -> AsyncIterator[tuple[Process, int]]:
    (port,) = free_ports(1)
    arguments = (*verifier.command(port)[1:], "--log-format", "json", *options)
    process = launcher.process(TENURE, arguments, {})
    process.log.unlink(missing_ok=True)
    process.start()
    try:
        await _until(process, lambda: verifier.READY_LINE in process.log.read_text(errors="replace"))
        yield process, port
    finally:
        process.stop()


async def _until(process: Process, check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not check():
        if time.monotonic() > deadline or not process.running:
            raise process.failure(f"isn't ready after {READY_WITHIN:.0f} s")
        await asyncio.sleep(0.1)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def _request(token: Token) -> bytes:
    return f"GET {_PATH} HTTP/1.1\r\nHost: tenure\r\nAuthorization: Bearer {token.reveal()}\r\n\r\n".encode()


def _unknown(number: int) -> Token:
    """A token that nobody issued, with an id of its own."""
    return Token.mint(hashlib.sha384(number.to_bytes(8)).digest())


def _forged(token: Token) -> Token:
    """A token of the same public id with another secret; the checksum is public."""
    other = Token.mint(bytes(ENTROPY_BYTES)).reveal()
    text = f"{PREFIX}_{token.key_id}_{other[-SECRET_LENGTH - CHECKSUM_LENGTH : -CHECKSUM_LENGTH]}"
    return Token(text + _checksum(text))
