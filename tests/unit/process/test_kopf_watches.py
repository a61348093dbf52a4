"""The filter of Kopf's watches: it reads which state an event reports, and lets pass what isn't taken."""

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kopf._cogs.clients.api import iter_jsonlines

from tenure.process.kopf_lists import answers_without_objects
from tenure.process.kopf_watches import Event, read_event

pytestmark = pytest.mark.asyncio(loop_scope="function")

KEY = Event("ApiKey", "acme", "ci", "uid-1", 5)
FORGED = {"name": "other", "namespace": "other", "resourceVersion": "9", "uid": "uid-9"}


def _line(event: Event = KEY, *, of_type: str = "MODIFIED", spec: Any = None, **metadata: Any) -> bytes:
    """A line as the API server writes it: without spaces, each map sorted, and only spec and status after that."""
    own = {"name": event.name, "namespace": event.namespace, "resourceVersion": str(event.version), "uid": event.uid}
    body = {
        "apiVersion": "tenure.dev/v1alpha1",
        "kind": event.kind,
        "metadata": dict(sorted({"creationTimestamp": "2026-11-30T00:00:00Z", **own, **metadata}.items())),
        "spec": spec or {"access": "View", "membership": "alice"},
        "status": {"observedGeneration": -1},
    }
    return json.dumps({"type": of_type, "object": body}, separators=(",", ":")).encode()


@pytest.mark.parametrize("of_type", ["ADDED", "MODIFIED"])
async def test_a_new_state_is_read(of_type: str) -> None:
    assert read_event(_line(of_type=of_type)) == KEY


@pytest.mark.parametrize(
    "line",
    [
        _line(of_type="DELETED"),
        _line(of_type="BOOKMARK"),
        _line(ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "one", "uid": "uid-2"}]),
        _line().replace(b"tenure.dev/v1alpha1", b"tenure.dev/v1"),
        b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"code":410}}',
        b"",
    ],
)
async def test_anything_else_is_left_to_kopf(line: bytes) -> None:
    assert read_event(line) is None


@pytest.mark.parametrize(
    "forged",
    [
        {"annotations": FORGED},
        {"labels": FORGED},
        {"annotations": {"note": _line(Event("ApiKey", "other", "other", "uid-9", 9)).decode()}},
        {"spec": {"access": "View", "secretTemplate": {"annotations": FORGED, "labels": FORGED}}},
        {"spec": {"access": "View", "description": '"resourceVersion":"9","uid":"uid-9"},"spec":{'}},
    ],
)
async def test_nobody_can_forge_what_an_event_says(forged: dict[str, Any]) -> None:
    assert read_event(_line(**forged)) == KEY


async def _stream(request: web.Request) -> web.StreamResponse:
    """Two lines that are taken and two that aren't, in pieces that don't end where the lines do."""
    other = _line(KEY._replace(version=6))
    text = b"".join(line + b"\n" for line in (_line(), other, _line(), _line(of_type="DELETED")))
    answer = web.StreamResponse()
    await answer.prepare(request)
    for begin in range(0, len(text), 100):
        await answer.write(text[begin : begin + 100])
    await answer.write_eof()
    return answer


@pytest.mark.parametrize(("query", "versions"), [("watch=true", ["6", "5"]), ("limit=50", ["5", "6", "5", "5"])])
async def test_kopf_reads_the_other_lines_of_a_watch(query: str, versions: list[str]) -> None:
    """By the function that Kopf reads watches with: another release may read them in another way."""
    app = web.Application()
    app.router.add_get("/", _stream)
    answers = answers_without_objects(lambda *_: None, lambda event, _: event == KEY)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(response_class=answers) as session,
        session.get(server.make_url(f"/?{query}")) as answer,
    ):
        found = [json.loads(line) async for line in iter_jsonlines(answer.content)]
    assert [event["object"]["metadata"]["resourceVersion"] for event in found] == versions
