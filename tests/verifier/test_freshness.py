"""What can't be proved to be fresh is not called valid: a store that stands still, a quiet one, a restart."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from support.cluster.identity import CONTROLLER, VERIFIER, config_of
from support.cluster.world import World, fresh_world
from support.faults.exchange import Answer, Reply, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

STALE_SECONDS = 10
PLURALS = ("organizations", "memberships", "apikeys")


@pytest.fixture(scope="module")
def plane(own_plane: ControlPlane) -> ControlPlane:
    return own_plane


@pytest.fixture(scope="module")
def world(plane: ControlPlane) -> Iterator[World]:
    with fresh_world(plane) as world:
        yield world


@pytest.fixture(scope="module")
def tokens(plane: ControlPlane, world: World) -> dict[str, Token]:
    """Have a key issued that works throughout, and one that a test may end, and stop the operator."""
    with OperatorProcess(config_of(plane, CONTROLLER), plane.folder / "freshness-operator.log", "--no-webhooks"):
        world.create(organization(), member("alice"), member("bob"))
        world.create(api_key("laptop", "alice"), api_key("server", "bob"))
        return world.issue("laptop", "server", within=30)


@pytest.fixture(scope="module")
def token(tokens: dict[str, Token]) -> Token:
    return tokens["laptop"]


@pytest.fixture(scope="module")
def verifier(plane: ControlPlane, token: Token) -> Iterator[VerifierProcess]:
    options = ("--max-staleness", str(STALE_SECONDS))
    with VerifierProcess(config_of(plane, VERIFIER), plane.folder / "freshness-verifier.log", *options) as verifier:
        assert verifier.code(token) == "Valid"
        yield verifier


def status(verifier: VerifierProcess, token: Token) -> int:
    body = {"token": token.reveal()}
    return requests.post(f"{verifier.url}/v1/verify", json=body, timeout=NEVER).status_code


def watched(proxy: Proxy) -> set[str]:
    return {exchange.request.resource for exchange in proxy.exchanges if exchange.request.is_watch}


def listed(proxy: Proxy) -> set[str]:
    """What was listed whole."""
    requests = [exchange.request for exchange in proxy.exchanges]
    return {one.resource for one in requests if one.is_list and one.query.get("limit") != "1"}


def test_a_store_that_stands_still_makes_it_say_nothing(
    plane: ControlPlane, verifier: VerifierProcess, token: Token
) -> None:
    plane.freeze_etcd()
    try:
        eventually(lambda: status(verifier, token) == 503, within=STALE_SECONDS + 20, describe="nothing is said")
        assert verifier.readiness()[0] == 503
        assert verifier.authorize(token).status_code == 503
        assert verifier.review({"token": token.reveal()}).status_code == 503
    finally:
        plane.thaw_etcd()
    eventually(lambda: status(verifier, token) == 200, within=60, describe="it goes on")
    assert verifier.code(token) == "Valid"


def test_it_stays_ready_where_nothing_happens_for_longer_than_it_may_be_stale(
    verifier: VerifierProcess, token: Token
) -> None:
    looks = iter(range(2 * STALE_SECONDS))
    answers = set()

    def looked_long_enough() -> bool:
        answers.add((verifier.readiness()[0], verifier.code(token)))
        return next(looks, None) is None

    eventually(looked_long_enough, within=10 * STALE_SECONDS, every=1.0, describe="a look a second")
    assert answers == {(200, "Valid")}


@pytest.mark.parametrize("plural", PLURALS)
def test_it_says_nothing_before_the_first_list_of_each_kind_is_complete(
    plane: ControlPlane, token: Token, tmp_path: Path, plural: str
) -> None:
    held = threading.Event()

    async def hold(request: Request) -> Answer:
        while request.is_list and request.resource == plural and not held.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)
        return None

    with Proxy(plane, as_user=VERIFIER) as proxy:
        proxy.on_request = hold
        verifier = VerifierProcess(proxy.kubeconfig(tmp_path / "config"), tmp_path / "first.log")
        verifier.start(ready=False)
        eventually(lambda: status(verifier, token) == 503, within=30, describe="it serves, and says nothing")
        eventually(lambda: watched(proxy) == {*PLURALS} - {plural}, within=30, describe="the other kinds are known")
        assert status(verifier, token) == 503
        assert verifier.readiness() == (503, "the first list isn't complete yet")
        held.set()
        eventually(lambda: status(verifier, token) == 200, within=30, describe="it is ready")
        assert verifier.code(token) == "Valid"
        verifier.stop()


def test_a_version_that_goes_back_while_the_watches_go_on_has_all_read_anew(
    plane: ControlPlane, token: Token, tmp_path: Path
) -> None:
    went_back = threading.Event()

    async def go_back(request: Request, reply: Reply) -> Answer:
        if went_back.is_set() or not request.is_list or request.query.get("limit") != "1":
            return None
        went_back.set()
        body = reply.parsed
        body["metadata"]["resourceVersion"] = "1"
        return Reply.json(body)

    with Proxy(plane, as_user=VERIFIER) as proxy:
        options = ("--max-staleness", str(STALE_SECONDS))
        with VerifierProcess(proxy.kubeconfig(tmp_path / "config"), tmp_path / "back.log", *options) as verifier:
            proxy.exchanges.clear()
            proxy.on_response = go_back
            assert went_back.wait(30)
            eventually(lambda: listed(proxy) == set(PLURALS), within=30, describe="all kinds are listed anew")
            eventually(lambda: verifier.code(token) == "Valid", within=30, describe="it goes on")
            assert "went back to 1, as after a restore of etcd" in verifier.log


def test_it_goes_on_after_the_api_server_was_started_again(
    plane: ControlPlane, world: World, verifier: VerifierProcess, tokens: dict[str, Token]
) -> None:
    plane.restart_apiserver()
    eventually(lambda: world.api.list("memberships"), within=60, describe="the API server serves")
    world.change_role("bob", "Viewer")
    eventually(lambda: verifier.code(tokens["server"]) == "RoleChanged", within=60, describe="the change is seen")
