"""The story: a key that is in use passes to a service account, its member's role changes, and no request fails.

Alice's key is used all the time. It is handed over in one line, the program reads the Secret again, and Alice becomes a
Viewer. Her old token is dead then.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import pytest

from support.cluster.world import World
from support.load.checks import Check, Checks
from support.objects.manifests import api_key, member, organization, service_account
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.soak import Figure, size
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

RATE = size(short=200.0, soak=1000.0)
"""Requests a second, or as many as the machine carries, because each connection waits for its answer."""

ENOUGH = size(short=200, soak=5000)
"""Answers in each chapter of the story."""

Times = Mapping[str, Sequence[Check]]


@pytest.fixture
def verifier(control_plane: ControlPlane, world: World, tmp_path: Path) -> Iterator[VerifierProcess]:
    """Give a verifier of the test's namespace."""
    served = f"--namespace={world.api.namespace}"
    with VerifierProcess(control_plane.kubeconfig, tmp_path / "verifier.log", served) as verifier:
        yield verifier


class Program:
    """A program that reads its token from the Secret when it is told to, and uses it all the time."""

    def __init__(self, world: World, requests: Checks) -> None:
        self.world, self.requests = world, requests

    def reload(self) -> Token:
        """Read the token from the Secret, use it from now on, and wait until no request with another is under way."""
        token = self.world.token("ci-deploy")
        assert token is not None, "there is no moment without a Secret"
        self.requests.ask_about(token)
        self.wait_answers(token)
        return token

    def wait_answers(self, token: Token) -> None:
        """Wait until the program has used a token for a while."""
        answers = self.requests.answers[token.key_id]
        enough = len(answers) + ENOUGH
        eventually(lambda: len(answers) >= enough, within=60, describe="the program has made its requests")


@pytest.mark.soak
@pytest.mark.usefixtures("operator")
def test_a_key_passes_to_a_service_account_before_a_role_change_and_no_request_fails(
    world: World, verifier: VerifierProcess, figure: Figure
) -> None:
    world.create(organization(), member("alice"), service_account("ci"), api_key("ci-deploy", "alice"))
    first = world.issue("ci-deploy")["ci-deploy"]
    with Checks(verifier.port, rate=RATE) as requests, Checks(verifier.port, rate=RATE / 10) as witness:
        program = Program(world, requests)
        witness.ask_about(first)
        assert program.reload() == first
        began = time.time()

        world.change_key("ci-deploy", membership="ci")
        second = world.wait_new_token("ci-deploy", first, within=60)
        witness.ask_about(first, second)
        program.wait_answers(first)
        assert program.reload() == second

        changing = time.time()
        world.change_role("alice", "Viewer")
        changed = time.time()
        eventually(lambda: rejected(witness, first, after=changed), within=30, describe="alice's token is dead")
        program.wait_answers(second)

    figure(f"{requests.per_second:,.0f} requests a second of the program")
    for line in table(witness.answers, {first.key_id: "alice's", second.key_id: "ci's"}, began):
        figure(line)
    codes = {token: {check.code for check in checks} for token, checks in requests.answers.items()}
    assert codes == {first.key_id: {"Valid"}, second.key_id: {"Valid"}}
    check_one_life(witness.answers[first.key_id], changing)
    assert {check.code for check in witness.answers[second.key_id]} == {"Valid"}
    assert world.verdict(second) == "Valid"


def rejected(checks: Checks, token: Token, *, after: float) -> bool:
    """Whether a check that began after a moment rejected a token."""
    return any(check.code != "Valid" for check in list(checks.answers[token.key_id]) if check.asked >= after)


def check_one_life(checks: Sequence[Check], changing: float) -> None:
    """Alice's token works until her role changes, and never again once it was rejected."""
    assert {check.code for check in checks if check.answered < changing} == {"Valid"}
    dead = min(check.answered for check in checks if check.code != "Valid")
    assert "Valid" not in {check.code for check in checks if check.asked > dead}


def table(answers: Times, names: Mapping[str, str], began: float) -> Iterator[str]:
    """Yield each token's verdicts over time."""
    for key_id, name in names.items():
        # The answers of several connections overtake each other.
        checks = sorted(answers[key_id], key=lambda check: check.asked)
        for code, found in groupby(checks, key=lambda check: check.code):
            group = list(found)
            first, last = group[0].asked - began, group[-1].asked - began
            yield f"{name:<8} {key_id}  {code:<12} {first:7.2f} s to {last:7.2f} s  {len(group):>5} answers"
