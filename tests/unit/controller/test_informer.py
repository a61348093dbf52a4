"""The informer: what it is told enters the cache, and its observers learn what that means."""

import asyncio
import json

import pytest

from support.objects.builders import api_key, issued, membership, organization
from tenure.controller.cache import Cache
from tenure.controller.informer import Informer, Observer
from tenure.controller.refs import Change, Ref, ref_of
from tenure.controller.watch_lag import Watches
from tenure.domain.resources import ApiKey, Resource
from tenure.errors import MalformedObjectError
from tenure.process.kopf_watches import Event

pytestmark = pytest.mark.asyncio(loop_scope="function")

KEY = issued(api_key(), membership(), organization())
REF = ref_of(KEY)


class Told(Observer):
    """What an observer was told, in order."""

    def __init__(self) -> None:
        self.news: list[str] = []

    def changed(self, change: Change, *, ours: bool) -> None:
        self.news.append(("ours " if ours else "") + _what(change.old, change.new))

    def gone(self, resource: Resource) -> None:
        self.news.append(f"gone {resource.metadata.uid}")

    def restored(self) -> None:
        self.news.append("restored")


def _what(old: Resource | None, new: Resource | None) -> str:
    return f"{old and old.metadata.resource_version} to {new and new.metadata.resource_version}"


def _body(resource: Resource) -> dict[str, object]:
    return {"kind": resource.kind, **resource.model_dump(by_alias=True, mode="json")}


def _version(version: int, uid: str = KEY.metadata.uid) -> ApiKey:
    metadata = KEY.metadata.model_copy(update={"resource_version": str(version), "uid": uid})
    return KEY.model_copy(update={"metadata": metadata})


def _informer(*, standing_by: bool = False) -> tuple[Informer, Cache, Told, Watches]:
    cache, told, watches = Cache(), Told(), Watches()
    informer = Informer(cache, watches, (told,), standing_by=standing_by)
    informer.take_in(_version(5))
    return informer, cache, told, watches


async def test_each_newer_state_is_told_once() -> None:
    informer, _, told, _ = _informer()
    informer.observe(ApiKey, "MODIFIED", _body(_version(5)))
    informer.take_in(_version(7), ours=True)
    informer.observe(ApiKey, "MODIFIED", _body(_version(6)))
    assert told.news == ["None to 5", "ours 5 to 7"]


async def test_what_a_watch_tells_to_be_deleted_is_gone_for_good() -> None:
    informer, cache, told, _ = _informer()
    informer.observe(ApiKey, "DELETED", _body(_version(8)))
    informer.take_in(_version(9))
    assert cache.get(*REF) is None
    assert told.news[1:] == ["5 to None", f"gone {KEY.metadata.uid}"]


async def test_the_end_of_an_object_that_was_never_seen_is_told() -> None:
    informer, _, told, _ = _informer()
    informer.observe(ApiKey, "DELETED", _body(_version(8, uid="another")))
    assert told.news[1:] == ["gone another"]


async def test_an_object_that_took_the_place_of_another_tells_the_others_end() -> None:
    informer, _, told, _ = _informer()
    informer.take_in(_version(6, uid="another"))
    assert told.news[1:] == ["5 to 6", f"gone {KEY.metadata.uid}"]


async def test_what_a_list_shows_to_be_gone_is_told_once() -> None:
    informer, cache, told, _ = _informer()
    informer.take_out(_version(5))
    informer.take_out(_version(5))
    assert cache.all() == []
    assert told.news[1:] == ["5 to None", f"gone {KEY.metadata.uid}"]


async def test_a_deletion_in_an_unknown_schema_still_takes_the_object_out() -> None:
    informer, cache, told, _ = _informer()
    body = _body(_version(8))
    with pytest.raises(MalformedObjectError):
        informer.observe(ApiKey, "DELETED", {**body, "spec": {}})
    assert cache.all() == []
    assert told.news[1:] == ["5 to None"]


async def test_after_a_restore_the_observers_know_and_no_single_object_is_told() -> None:
    informer, cache, told, _ = _informer()
    informer.observe(ApiKey, "DELETED", _body(_version(8)))
    told.news.clear()
    informer.restore([])
    informer.take_in(_version(3))
    assert told.news == ["restored", "None to 3"]
    informer.forget([_version(3)])
    assert cache.all() == []
    assert told.news == ["restored", "None to 3"]


async def test_a_replica_that_stands_by_remembers_and_tells_nobody() -> None:
    informer, cache, told, _ = _informer(standing_by=True)
    informer.observe(ApiKey, "DELETED", _body(_version(8)))
    informer.take_in(membership())
    assert [type(known).kind for known in cache.all()] == ["Membership"]
    assert told.news == []


async def test_what_the_watch_has_yet_to_tell_is_noted() -> None:
    informer, _, _, watches = _informer()
    assert watches.lag(ApiKey, 10.0) == 10.0
    informer.observe(ApiKey, "MODIFIED", _body(_version(5)))
    assert watches.lag(ApiKey, 10.0) == 0.0
    informer.observe(ApiKey, "MODIFIED", _body(_version(6)))
    assert watches.lag(ApiKey, 20.0) == 0.0


async def test_an_address_is_of_the_kind_that_was_watched() -> None:
    informer, cache, _, _ = _informer()
    informer.observe(ApiKey, None, _body(_version(6)))
    assert cache.get(*Ref(ApiKey, KEY.namespace, KEY.name)) == _version(6)


def _event(resource: Resource) -> tuple[Event, bytes]:
    metadata = resource.metadata
    version = int(metadata.resource_version)
    line = json.dumps({"type": "MODIFIED", "object": _body(resource)}).encode()
    return Event(resource.kind, metadata.namespace, metadata.name, metadata.uid, version), line


@pytest.mark.parametrize(
    ("state", "news"),
    [
        (_version(4), ["None to 5"]),
        (_version(5), ["None to 5"]),
        (_version(6), ["None to 5", "5 to 6"]),
        (_version(6, "another uid"), ["None to 5", "5 to 6", f"gone {KEY.metadata.uid}"]),
    ],
)
async def test_a_line_of_a_watch_is_news_once(state: ApiKey, news: list[str]) -> None:
    informer, _, told, _ = _informer()
    assert informer.take_state(*_event(state))
    assert informer.take_state(*_event(state))
    assert told.news == news


@pytest.mark.parametrize("version", [5, 6])
async def test_a_line_shows_that_the_watch_works(version: int) -> None:
    informer, _, _, watches = _informer()
    now = asyncio.get_running_loop().time()
    assert watches.lag(ApiKey, now + 60) > 0
    assert informer.take_state(*_event(_version(version)))
    assert watches.lag(ApiKey, now + 60) == 0


async def test_a_line_that_cant_be_taken_is_left_to_kopf() -> None:
    informer, _, told, _ = _informer()
    event, line = _event(_version(6))
    assert not informer.take_state(event, line.replace(b'"membership"', b'"member"'))
    assert not informer.take_state(event._replace(kind="Secret"), line)
    assert told.news == ["None to 5"]
