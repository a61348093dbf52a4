"""What can't be proved to be fresh is not called valid: a store that stands still, a quiet one, a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from support.api import Api
from support.eventually import eventually
from support.identity import CONTROLLER, VERIFIER, config_of
from support.manifests import api_key, member, organization
from support.operator_process import OperatorProcess
from support.verifier_process import VerifierProcess
from support.world import World
from tenure.domain.tokens import Token
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS

STALE_SECONDS = 10


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    with ControlPlane.start(find_or_build(), tmp_path / "plane", crds=CRDS) as plane:
        yield plane


@pytest.fixture
def token(plane: ControlPlane, tmp_path: Path) -> Token:
    """Have a key issued, and stop the operator."""
    plane.kubectl("create", "namespace", "acme")
    world = World(Api(plane, "acme"))
    with OperatorProcess(config_of(plane, CONTROLLER), tmp_path / "operator.log", "--no-webhooks"):
        world.create(organization(), member("alice"), api_key("laptop", "alice"))
        return world.issue("laptop", within=30)["laptop"]


@pytest.fixture
def verifier(plane: ControlPlane, token: Token, tmp_path: Path) -> Iterator[VerifierProcess]:
    options = ("--max-staleness", str(STALE_SECONDS))
    with VerifierProcess(config_of(plane, VERIFIER), tmp_path / "verifier.log", *options) as verifier:
        assert verifier.code(token) == "Valid"
        yield verifier


def status(verifier: VerifierProcess, token: Token) -> int:
    body = {"token": token.reveal()}
    return requests.post(f"{verifier.url}/v1/verify", json=body, timeout=10).status_code


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
    looks = iter(range(4 * STALE_SECONDS))
    answers = set()

    def looked_long_enough() -> bool:
        answers.add((verifier.readiness()[0], verifier.code(token)))
        return next(looks, None) is None

    eventually(looked_long_enough, within=10 * STALE_SECONDS, every=1.0, describe="a look a second")
    assert answers == {(200, "Valid")}


def test_it_goes_on_after_the_api_server_was_started_again(
    plane: ControlPlane, verifier: VerifierProcess, token: Token
) -> None:
    plane.restart_apiserver()
    world = World(Api(plane, "acme"))
    world.change_role("alice", "Viewer")
    eventually(lambda: verifier.code(token) == "RoleChanged", within=60, describe="the change is seen")


def test_it_is_not_ready_before_the_first_list_is_complete(plane: ControlPlane, token: Token, tmp_path: Path) -> None:
    config = config_of(plane, VERIFIER)
    verifier = VerifierProcess(config, tmp_path / "first.log", "--max-staleness", str(STALE_SECONDS))
    verifier.start(ready=False)
    seen: set[int] = set()

    def ready() -> bool:
        code = status(verifier, token)
        seen.add(code)
        return code == 200

    eventually(ready, within=30, every=0.001, describe="it is ready")
    assert verifier.code(token) == "Valid"
    assert seen <= {200, 503}
    verifier.stop()
