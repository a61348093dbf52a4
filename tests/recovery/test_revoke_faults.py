"""`tenure revoke` while answers are lost, keys change under its hands, and some are refused."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from support.cluster.world import World
from support.faults.exchange import DROP, Answer, Reply, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization
from support.programs.judged import Judged
from support.programs.revocation import Caller, json_of, server_time
from tenure.domain.resources.base import format_time
from tenure.domain.tokens import Token

KEYS = ("ci", "laptop", "spare")


@pytest.fixture
def tokens(world: World) -> dict[str, Token]:
    world.create(organization(), member("alice"), *(api_key(name, "alice") for name in KEYS))
    return world.issue(*KEYS, within=30)


@pytest.fixture
def proxy(judged: Judged) -> Iterator[Proxy]:
    with Proxy(judged.plane) as proxy:
        yield proxy


@pytest.fixture
def person(proxy: Proxy, tmp_path: Path) -> Caller:
    return Caller(proxy.kubeconfig(tmp_path / "kubeconfig"))


def scope(world: World) -> tuple[str, ...]:
    return "--issued-before=0s", f"--namespace={world.api.namespace}", "--yes"


def is_deletion(request: Request) -> bool:
    return request.method == "DELETE" and request.resource == "apikeys"


def test_a_lost_answer_is_no_failure(world: World, proxy: Proxy, person: Caller, tokens: dict[str, Token]) -> None:
    seen: Counter[str] = Counter()

    async def lose_the_first(request: Request, reply: Reply) -> Answer:
        del reply
        seen[request.name] += is_deletion(request)
        return DROP if is_deletion(request) and seen[request.name] == 1 else None

    proxy.on_response = lose_the_first
    assert person.results(*scope(world)) == dict.fromkeys(KEYS, "Ended")
    assert {name: seen[name] for name in KEYS} == dict.fromkeys(KEYS, 2)
    assert {world.verdict(token) for token in tokens.values()} == {"NotFound"}


def test_a_key_that_is_issued_anew_in_between_keeps_its_new_token(
    world: World, proxy: Proxy, person: Caller, tokens: dict[str, Token]
) -> None:
    renewed: list[Token] = []

    def renew() -> None:
        world.change_key("laptop", revision=2)
        renewed.append(world.wait_new_token("laptop", tokens["laptop"], within=30))

    async def renew_first(request: Request) -> Answer:
        if is_deletion(request) and request.name == "laptop" and not renewed:
            # The moment is the second in which the command began; a new token of that second would be ended too.
            await asyncio.sleep(1.1)
            await asyncio.to_thread(renew)
        return None

    proxy.on_request = renew_first
    results = person.results(*scope(world))
    assert results == {"ci": "Ended", "laptop": "Reissued", "spare": "Ended"}
    assert world.verdict(renewed[0]) == "Valid"
    assert world.verdict(tokens["laptop"]) == "NotFound"


def test_everything_ends_also_what_an_api_server_stamped_whose_clock_is_ahead(
    world: World, proxy: Proxy, person: Caller, tokens: dict[str, Token]
) -> None:
    """Of two API servers, the one that is asked for the time is 20 seconds behind the one that took the Secrets."""
    behind = format_datetime(server_time(world.api.plane) - timedelta(seconds=20), usegmt=True)

    async def tell_the_time(request: Request, reply: Reply) -> Answer:
        return replace(reply, headers={**reply.headers, "Date": behind}) if request.path == "/version" else None

    proxy.on_response = tell_the_time
    assert person.results(*scope(world)) == dict.fromkeys(KEYS, "Ended")
    assert {world.verdict(token) for token in tokens.values()} == {"NotFound"}


def test_an_instant_leaves_what_a_clock_that_is_ahead_stamped_and_says_so(
    world: World, proxy: Proxy, person: Caller, tokens: dict[str, Token]
) -> None:
    now = server_time(world.api.plane) - timedelta(seconds=20)

    async def tell_the_time(request: Request, reply: Reply) -> Answer:
        date = format_datetime(now, usegmt=True)
        return replace(reply, headers={**reply.headers, "Date": date}) if request.path == "/version" else None

    proxy.on_response = tell_the_time
    options = (f"--issued-before={format_time(now)}", *scope(world)[1:], "--output=json")
    found = json_of(person.run(*options, code=2))
    assert found["keys"] == []
    assert {one["name"] for one in found["unclear"]} == set(KEYS)
    assert all("is later than the API server's clock" in one["doubt"] for one in found["unclear"])
    assert {world.verdict(token) for token in tokens.values()} == {"Valid"}


def test_nobody_keeps_a_key_alive_by_writing_to_it(
    world: World, proxy: Proxy, person: Caller, tokens: dict[str, Token]
) -> None:
    written: Counter[str] = Counter()

    async def write_first(request: Request) -> Answer:
        if is_deletion(request):
            written[request.name] += 1
            annotations = {"a.io/n": str(written[request.name])}
            await asyncio.to_thread(
                world.api.patch, "apikeys", request.name, {"metadata": {"annotations": annotations}}
            )
        return None

    proxy.on_request = write_first
    assert person.results(*scope(world), "--membership=alice") == dict.fromkeys(KEYS, "Ended")
    assert {world.verdict(token) for token in tokens.values()} == {"NotFound"}


def test_one_that_is_refused_holds_no_other_up_and_is_named(
    world: World, proxy: Proxy, person: Caller, tokens: dict[str, Token]
) -> None:
    async def refuse(request: Request) -> Answer:
        refused = is_deletion(request) and request.name == "ci"
        return Reply.failure(403, "Forbidden", "somebody's policy says no") if refused else None

    proxy.on_request = refuse
    result = person.run(*scope(world), "--output=json", code=1)
    assert [(key["name"], key["result"]) for key in json_of(result)["keys"]] == [
        ("ci", "Failed"),
        ("laptop", "Ended"),
        ("spare", "Ended"),
    ]
    path = f"/apis/tenure.dev/v1alpha1/namespaces/{world.api.namespace}/apikeys/ci"
    error = f"DELETE {path}: somebody's policy says no"
    assert json_of(result)["keys"][0]["error"] == error
    assert result.stderr.splitlines()[-1] == f"tenure: 1 key not revoked: {error}"
    assert [world.verdict(tokens[name]) for name in KEYS] == ["Valid", "NotFound", "NotFound"]
    proxy.reset()
    said = person.run(*scope(world)).stdout
    assert said.splitlines()[-1].startswith("1 key issued before ")


def test_overload_is_waited_out(world: World, proxy: Proxy, person: Caller, tokens: dict[str, Token]) -> None:
    seen: Counter[str] = Counter()

    async def overload(request: Request) -> Answer:
        seen[request.name] += is_deletion(request)
        return Reply.failure(429, "TooManyRequests") if is_deletion(request) and seen[request.name] < 3 else None

    proxy.on_request = overload
    assert person.results(*scope(world)) == dict.fromkeys(KEYS, "Ended")
    assert {world.verdict(token) for token in tokens.values()} == {"NotFound"}


def test_credentials_that_expire_end_the_run(
    world: World, proxy: Proxy, person: Caller, tokens: dict[str, Token]
) -> None:
    async def refuse(request: Request) -> Answer:
        return Reply.failure(401, "Unauthorized", "Unauthorized") if is_deletion(request) else None

    proxy.on_request = refuse
    assert set(person.results(*scope(world), code=1).values()) <= {"Failed", "Left"}
    assert {world.verdict(token) for token in tokens.values()} == {"Valid"}


def test_a_page_that_fails_ends_nothing(world: World, proxy: Proxy, person: Caller, tokens: dict[str, Token]) -> None:
    async def refuse(request: Request) -> Answer:
        return Reply.failure(500, "InternalError", "etcd is slow") if request.is_list else None

    proxy.on_request = refuse
    said = person.refused(*scope(world))
    assert said.startswith("tenure: No key was revoked: the API server at ")
    assert "etcd is slow" in said
    assert proxy.writes("apikeys") == []
    assert {world.verdict(token) for token in tokens.values()} == {"Valid"}
