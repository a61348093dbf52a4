"""Who may send reviews, and what all reviews together may take: their number, size and contents, and a certificate."""

import asyncio
import gzip
import io
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from support.api.review import review
from tenure.admission import intake as module
from tenure.admission.callers import ANYBODY, Callers, trust_clients
from tenure.admission.server import Judge, Listener
from tenure.certificates.authority import Authority
from tenure.certificates.keeper import load_pair, server_context
from tenure.domain.admission.request import AdmissionRequest
from tenure.domain.admission.verdict import Judgement
from tenure.errors import StartRefusedError
from tenure.observability.metrics import Meter

HOST = "127.0.0.1"
LIFE = timedelta(hours=1)
SERVING = Authority.create(datetime.now(UTC), LIFE)
CLIENTS, OTHERS = trustme.CA(), trustme.CA()
JSON = {"Content-Type": "application/json"}
LARGE = 200 * 1024


async def lets_in(_: str, __: AdmissionRequest) -> Judgement:
    return Judgement()


@asynccontextmanager
async def listening(judge: Judge = lets_in, authority: Path | None = None) -> AsyncIterator[tuple[str, Callers]]:
    """Give the URL of a listener on a free port, and those who may call it."""
    context = server_context()
    callers = trust_clients(context, authority)
    load_pair(context, SERVING.sign([HOST], datetime.now(UTC), LIFE))
    listener = Listener((HOST, 0), context, {"memberships": "Membership"}, judge, meter=Meter(), callers=callers)
    async with listener.serving(asyncio.Event()):
        yield f"https://{HOST}:{listener.address[1]}/memberships", callers


def client(certificate: trustme.LeafCert | None = None) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cadata=SERVING.certificate.decode())
    if certificate is not None:
        certificate.configure_cert(context)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))


def padded(size: int, **fields: Any) -> bytes:
    return json.dumps(review("acme", **fields)).encode().ljust(size)


async def post(session: aiohttp.ClientSession, url: str, body: Any, headers: Mapping[str, str] | None = None) -> int:
    async with session.post(
        url, data=io.BytesIO(body) if isinstance(body, bytes) else body, headers={**JSON, **(headers or {})}
    ) as answer:
        await answer.read()
        return answer.status


async def chunks() -> AsyncIterator[bytes]:
    yield padded(0)


BAD: Mapping[str, tuple[Any, Mapping[str, str], int]] = {
    "as large as is allowed": (padded(module.MAX_BODY_BYTES), {}, 200),
    "larger": (padded(module.MAX_BODY_BYTES + 1), {}, 413),
    "compressed": (gzip.compress(padded(0)), {"Content-Encoding": "gzip"}, 415),
    "without a length": (chunks, {}, 411),
    "too many lists": (padded(module.MAX_BODY_BYTES, object={"a": [[]] * module.MAX_CONTAINERS}), {}, 400),
    "too many lists for its size": (padded(0, object={"a": [[]] * 1000}), {}, 400),
    "as many lists as fit": (padded(0, object={"metadata": {"name": "a"}, "a": [{"f:spec": {}}] * 1000}), {}, 200),
    "a namespace up a folder": (padded(0, namespace="../"), {}, 400),
    "a namespace with a line break": (padded(0, namespace="acme\n"), {}, 400),
    "a long namespace": (padded(0, namespace="a" * 64), {}, 400),
}


@pytest.mark.parametrize(("body", "headers", "status"), BAD.values(), ids=BAD)
async def test_what_is_received(body: Any, headers: Mapping[str, str], status: int) -> None:
    async with listening() as (url, _), client() as session:
        assert await post(session, url, body() if callable(body) else body, headers) == status


async def test_few_reviews_are_judged_at_once_and_one_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ORDINARY_AT_ONCE", 3)
    monkeypatch.setattr(module, "RECEIVED_WITHIN_SECONDS", 30.0)
    judged: list[str] = []
    go_on, full = asyncio.Event(), asyncio.Event()

    async def waits(_: str, request: AdmissionRequest) -> Judgement:
        judged.append(request.user_info.username)
        if len(judged) == 4:
            full.set()
        await go_on.wait()
        return Judgement()

    async with listening(waits) as (url, _), client() as session:
        bodies = [padded(0, userInfo={"username": "ordinary"})] * 6 + [
            padded(LARGE, userInfo={"username": "large"})
        ] * 3
        answers = [asyncio.create_task(post(session, url, body)) for body in bodies]
        async with asyncio.timeout(30):
            await full.wait()
        assert sorted(judged) == ["large", "ordinary", "ordinary", "ordinary"]
        go_on.set()
        assert await asyncio.gather(*answers) == [200] * 9


async def test_who_waits_for_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def hangs(_: str, __: AdmissionRequest) -> Judgement:
        began.set()
        await go_on.wait()
        return Judgement()

    async with listening(hangs) as (url, _), client() as session:
        first = asyncio.create_task(post(session, url, padded(LARGE)))
        await began.wait()
        monkeypatch.setattr(module, "RECEIVED_WITHIN_SECONDS", 0.1)  # The first one had all the time that it took.
        assert await post(session, url, padded(LARGE)) == 503
        go_on.set()
        assert await first == 200


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clients") / "ca.crt"
    CLIENTS.cert_pem.write_to_path(path)
    return path


async def test_with_a_client_authority_only_its_certificates_and_the_self_test_are_heard(authority: Path) -> None:
    async with listening(authority=authority) as (url, callers):
        async with client() as session:
            assert await post(session, url, padded(0)) == 403
            assert await post(session, url, padded(0), {"X-Tenure-Self-Test": "guessed"}) == 403
            assert await post(session, url, padded(0), callers.headers) == 200
        async with client(CLIENTS.issue_cert("apiserver")) as session:
            assert await post(session, url, padded(0)) == 200
        async with client(OTHERS.issue_cert("apiserver")) as session:
            with pytest.raises(aiohttp.ClientError):
                await post(session, url, padded(0))


async def test_without_one_everybody_is_heard() -> None:
    async with listening() as (url, callers), client(OTHERS.issue_cert("anybody")) as session:
        assert callers is ANYBODY
        assert callers.headers == {}
        assert await post(session, url, padded(0)) == 200


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StartRefusedError, match=f"--client-ca-file {path}: "):
        trust_clients(server_context(), path)
