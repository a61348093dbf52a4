"""Kopf gets no object of a list, and keeps no record of an object."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tenure.process.kopf_lists import NoMemories, Take, answers_without_objects

pytestmark = pytest.mark.asyncio(loop_scope="function")

KEYS = [{"metadata": {"name": f"key-{number}"}} for number in range(120)]
PAGE = {"kind": "ApiKeyList", "metadata": {"resourceVersion": "7", "continue": "more"}, "items": KEYS}
GROUP = {"kind": "APIResourceList", "resources": [{"name": "apikeys"}]}


@asynccontextmanager
async def asked(path: str, take: Take) -> AsyncIterator[Any]:
    """What a caller gets from a server of one list and one document without objects."""
    app = web.Application()

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(PAGE if request.path == "/list" else GROUP)

    app.router.add_get("/{path}", answer)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(response_class=answers_without_objects(take)) as session,
        session.get(server.make_url(path)) as response,
    ):
        yield await response.json()


async def test_the_objects_of_a_list_are_taken_and_the_caller_gets_its_version() -> None:
    taken: list[tuple[str, Mapping[str, Any]]] = []
    async with asked("/list", lambda kind, body: taken.append((kind, body))) as answer:
        assert answer == {**PAGE, "items": []}
    assert taken == [("ApiKeyList", key) for key in KEYS]


async def test_other_answers_stay_as_they_are() -> None:
    async with asked("/group", lambda *_: pytest.fail("there is no object in it")) as answer:
        assert answer == GROUP


async def test_a_defect_in_one_object_does_not_keep_the_others_away() -> None:
    taken: list[str] = []

    def take(_: str, body: Mapping[str, Any]) -> None:
        if body == KEYS[1]:
            raise KeyError("a defect")
        taken.append(body["metadata"]["name"])

    async with asked("/list", take):
        assert len(taken) == len(KEYS) - 1


async def test_no_record_is_kept() -> None:
    memories = NoMemories()
    await memories.recall({"metadata": {"uid": "1"}}, noticed_by_listing=True)
    assert list(memories.iter_all_memories()) == []
