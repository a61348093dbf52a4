"""The listener by itself, with judges that fail, and with clients that say nothing."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from support.api.review import review
from tenure.admission import intake
from tenure.admission import server as module
from tenure.admission.server import Judge, Listener
from tenure.certificates.authority import Authority
from tenure.certificates.keeper import load_pair, server_context
from tenure.domain.admission.request import AdmissionRequest
from tenure.domain.admission.verdict import Judgement
from tenure.errors import (
    ForbiddenError,
    MalformedObjectError,
    StartRefusedError,
    UnauthorizedError,
    UnavailableError,
)
from tenure.observability.metrics import Meter

HOST = "127.0.0.1"
CANARY = "canary-4711"
LIFE = timedelta(hours=1)

AUTHORITY = Authority.create(datetime.now(UTC), LIFE)
TRUSTING = ssl.create_default_context(cadata=AUTHORITY.certificate.decode())


@asynccontextmanager
async def listening(judge: Judge) -> AsyncIterator[Listener]:
    """Give a listener on a free port."""
    context = server_context()
    load_pair(context, AUTHORITY.sign([HOST], datetime.now(UTC), LIFE))
    listener = Listener((HOST, 0), context, {"memberships": "Membership"}, judge, meter=Meter())
    async with listener.serving(asyncio.Event()):
        yield listener


async def post(listener: Listener, path: str, body: Mapping[str, Any]) -> tuple[int, str]:
    host, port = listener.address
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=TRUSTING)) as session,
        session.post(f"https://{host}:{port}{path}", json=body) as reply,
    ):
        return reply.status, await reply.text()


async def answer(listener: Listener, body: Mapping[str, Any]) -> tuple[int, Any]:
    status, text = await post(listener, "/memberships", body)
    return status, json.loads(text)


async def fails(_: str, __: AdmissionRequest) -> Judgement:
    raise RuntimeError(CANARY)


async def lets_in(_: str, __: AdmissionRequest) -> Judgement:
    return Judgement()


async def is_busy(_: str, __: AdmissionRequest) -> Judgement:
    return Judgement(busy="try again", warnings=("look",)).note(to="Viewer")


@pytest.mark.parametrize("path", ["/", "/elsewhere", "/Memberships", "/memberships/x", "/apikeys"])
async def test_an_unknown_path_is_not_found(path: str) -> None:
    async with listening(lets_in) as listener:
        status, text = await post(listener, path, review("acme"))
    assert status == 404
    assert "allowed" not in text


async def test_b_61_an_error_denies_and_is_told_to_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(fails) as listener:
        status, body = await answer(listener, review("acme"))
    assert status == 200
    assert body["response"]["allowed"] is False
    message = body["response"]["status"]["message"]
    assert message.startswith("Rejected: unexpected error in Tenure. See the webhook's log for incident ")
    assert CANARY not in str(body)
    assert CANARY in caplog.text
    assert message.rpartition(" ")[2] in caplog.text


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnavailableError("GET namespaces acme: HTTP 503", status=503), 429),
        (UnavailableError("GET namespaces acme: HTTP 429", status=429), 429),
        (UnavailableError("GET namespaces acme: no answer"), 429),
        (UnauthorizedError("GET namespaces acme: HTTP 401", status=401), 429),
        (TimeoutError(), 429),
        (ForbiddenError("GET namespaces acme: HTTP 403", status=403), 403),
        (MalformedObjectError("Membership acme/alice: spec.role: missing"), 403),
        (ValueError("the object isn't one"), 403),
        (RuntimeError("a bug"), 403),
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'status', '')}" if isinstance(value, Exception) else "",
)
async def test_not_now_is_429_and_no_is_403(error: Exception, code: int) -> None:
    async def fails_so(_: str, __: AdmissionRequest) -> Judgement:
        raise error

    async with listening(fails_so) as listener:
        _, body = await answer(listener, review("acme"))
    response = body["response"]
    assert response["allowed"] is False
    assert response["status"]["code"] == code
    assert response["status"].get("details") == ({"retryAfterSeconds": 1} if code == 429 else None)


async def test_an_answer_bears_the_requests_uid_and_nothing_that_isnt_there() -> None:
    asked = review("acme")
    async with listening(lets_in) as listener:
        status, body = await answer(listener, asked)
    uid = asked["request"]["uid"]
    assert (status, body) == (
        200,
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": uid, "allowed": True, "auditAnnotations": {"request-id": uid}},
        },
    )


async def test_a_busy_organization_is_429_with_the_time_to_wait() -> None:
    async with listening(is_busy) as listener:
        _, body = await answer(listener, review("acme"))
    response = body["response"]
    assert response["status"] == {
        "code": 429,
        "reason": "TooManyRequests",
        "message": "try again",
        "details": {"retryAfterSeconds": 1},
    }
    assert response["warnings"] == ["look"]
    assert response["auditAnnotations"] == {"to": "Viewer", "request-id": response["uid"]}


@pytest.mark.parametrize("said", [b"", b"POST /memberships HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half a head"])
async def test_whoever_says_too_little_is_hung_up_on(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.5)
    async with listening(lets_in) as listener:
        reader, writer = await asyncio.open_connection(*listener.address, ssl=TRUSTING)
        writer.write(said)
        await writer.drain()
        assert await asyncio.wait_for(reader.read(), timeout=30) == b""
        writer.close()
        await writer.wait_closed()


async def test_a_body_that_never_ends_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "RECEIVED_WITHIN_SECONDS", 0.2)
    async with listening(lets_in) as listener:
        reader, writer = await asyncio.open_connection(*listener.address, ssl=TRUSTING)
        head = b"POST /memberships HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        writer.write(head)
        assert (await asyncio.wait_for(reader.readline(), timeout=30)).startswith(b"HTTP/1.1 408 ")
        writer.close()
        await writer.wait_closed()


def test_idle_connections_outlive_those_of_the_api_server() -> None:
    """Its client closes idle connections after 90 seconds; it must never meet one that was just closed here."""
    assert module.IDLE_SECONDS > 90


async def never(path: str, request: AdmissionRequest) -> Judgement:
    raise AssertionError(f"{path} was asked for {request.operation}")


@pytest.mark.parametrize("host", [HOST, ""])
async def test_a_stop_before_it_listens_is_no_error(host: str) -> None:
    stop = asyncio.Event()
    stop.set()
    listener = Listener((host, 0), server_context(), {"memberships": "Membership"}, never, meter=Meter())
    async with listener.serving(stop):
        pass


async def test_an_address_that_it_can_not_have_is_named() -> None:
    taken = Listener(("203.0.113.9", 9443), server_context(), {}, never, meter=Meter())
    with pytest.raises(StartRefusedError, match=r"--webhook-host and --webhook-port: 203\.0\.113\.9:9443: \w+"):
        async with taken.serving(asyncio.Event()):
            pass
