"""An etcd that was restored from a backup: the verifier answers by what is stored now, never by what was dropped."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from support.cluster.identity import CONTROLLER, VERIFIER, config_of
from support.cluster.verified import wait_code
from support.cluster.world import World, fresh_world
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

STALE_SECONDS = 10
PATIENCE = 60.0
DROPPED = {"laptop": "RoleChanged", "kept": "Valid", "new": "Valid"}
"""What the keys were worth when the store was restored: laptop ended after the backup, new was issued after it."""
RESTORED = {"laptop": "Valid", "kept": "Valid", "new": ""}
NOTHING = dict.fromkeys(DROPPED, "503")


@dataclass(frozen=True)
class Site:
    plane: ControlPlane
    world: World
    verifier: VerifierProcess
    operator: OperatorProcess

    def served(self) -> None:
        eventually(lambda: self.world.api.list("apikeys"), within=PATIENCE, describe="the API server serves")

    def answers(self, tokens: dict[str, Token]) -> dict[str, str]:
        """The codes that the verifier tells each token's bearer; 503 where it says nothing."""
        return {name: self._answer(token) for name, token in tokens.items()}

    def _answer(self, token: Token) -> str:
        body = {"token": token.reveal()}
        answer = requests.post(f"{self.verifier.url}/v1/verify", json=body, timeout=NEVER)
        code = str(answer.json().get("code", "")) if answer.ok else str(answer.status_code)
        return code.replace("NotFound", "")  # It may be remembered as one that was there.


@pytest.fixture(scope="module")
def plane(own_plane: ControlPlane) -> ControlPlane:
    return own_plane


@pytest.fixture(scope="module")
def operator(plane: ControlPlane) -> Iterator[OperatorProcess]:
    config, log = config_of(plane, CONTROLLER), plane.folder / "restored-operator.log"
    with OperatorProcess(config, log, "--no-webhooks") as operator:
        yield operator


@pytest.fixture(scope="module")
def verifier(plane: ControlPlane) -> Iterator[VerifierProcess]:
    config, log = config_of(plane, VERIFIER), plane.folder / "restored-verifier.log"
    with VerifierProcess(config, log, "--max-staleness", str(STALE_SECONDS)) as verifier:
        yield verifier


@pytest.fixture
def site(plane: ControlPlane, verifier: VerifierProcess, operator: OperatorProcess) -> Iterator[Site]:
    if not operator.running:
        operator.start()
    with fresh_world(plane) as world:
        yield Site(plane, world, verifier, operator)


def changed_since_backup(site: Site, backup: Path) -> dict[str, Token]:
    """Take a backup, then end a key and issue another one; the operator writes nothing after that."""
    world = site.world
    world.create(organization(), member("alice"), member("bob"), api_key("laptop", "alice"), api_key("kept", "bob"))
    tokens = world.issue("laptop", "kept", within=PATIENCE)
    site.plane.save_etcd(backup)
    site.served()
    world.change_role("alice", "Viewer")
    world.create(api_key("new", "bob"))
    tokens |= world.issue("new", within=PATIENCE)
    world.wait_gone("apikeys", "laptop", within=PATIENCE)
    for name, code in DROPPED.items():
        wait_code(site.verifier, tokens[name], code, within=PATIENCE)
    site.operator.stop()
    return tokens


def test_it_answers_by_what_was_restored_within_its_staleness_and_then_by_nothing_else(
    site: Site, tmp_path: Path
) -> None:
    tokens = changed_since_backup(site, tmp_path / "backup")
    site.plane.restore_etcd(tmp_path / "backup")
    eventually(
        lambda: site.answers(tokens) in (RESTORED, NOTHING),
        within=STALE_SECONDS,
        describe="nothing of what was dropped",
    )
    eventually(lambda: site.answers(tokens) == RESTORED, within=PATIENCE, describe="what was restored")
    looks, seen = iter(range(2 * STALE_SECONDS)), []

    def looked_long_enough() -> bool:
        seen.append(site.answers(tokens))
        return next(looks, None) is None

    eventually(looked_long_enough, within=PATIENCE, every=0.5, describe="looks")
    assert [answers for answers in seen if answers != RESTORED] == []


def test_a_store_that_grew_past_what_was_known_before_anybody_looked_is_read_anew_too(
    site: Site, tmp_path: Path
) -> None:
    tokens = changed_since_backup(site, tmp_path / "backup")
    known = int(site.world.member("alice")["metadata"]["resourceVersion"])
    os.kill(site.verifier.pid, signal.SIGSTOP)
    try:
        site.plane.restore_etcd(tmp_path / "backup")
        site.served()
        grown = 0
        for number in range(20_000):
            stored = site.world.api.patch("organizations", "acme", {"metadata": {"labels": {"n": str(number)}}})
            grown = int(stored["metadata"]["resourceVersion"])
            if grown > known + 500:
                break
        assert grown > known + 500
    finally:
        os.kill(site.verifier.pid, signal.SIGCONT)
    eventually(lambda: site.answers(tokens) == RESTORED, within=PATIENCE, describe="what was restored")
