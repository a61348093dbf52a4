"""A dead key explains itself, also long after; its uses are counted and logged, and no token with them."""

import json
from pathlib import Path
from typing import Any

from support.cluster.identity import VERIFIER, config_of
from support.cluster.verified import authorized, forged, known, known_key, wait_code
from support.cluster.world import World
from support.objects.manifests import api_key, member
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane


def die(world: World) -> str:
    """Change alice's role, wait until her key is gone, and return when the operator saw the change."""
    world.change_role("alice", "Viewer")
    world.wait_gone("apikeys", "laptop", within=30)
    return str(world.wait_role_change("alice", 2, within=30)["at"])


def hits(verifier: VerifierProcess, token: Token) -> float:
    """How often the verifier says that a dead key was used."""
    wanted = f'tenure_dead_key_hits_total{{key_id="{token.key_id}"}} '
    lines = verifier.ask("metrics")[1].splitlines()
    return sum(float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted))


def answers(verifier: VerifierProcess, token: Token) -> list[dict[str, Any]]:
    """The log's lines of answers to a token."""
    lines = [json.loads(line) for line in verifier.log.splitlines() if token.key_id in line]
    return [line for line in lines if "code" in line]


def test_a_dead_key_explains_itself_also_after_a_restart(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess, tmp_path: Path
) -> None:
    token, bearer = known_key(world, verifier), authorized(control_plane, world.api.namespace)
    at = die(world)
    expected = {
        "valid": False,
        "code": "RoleChanged",
        "keyId": token.key_id,
        "namespace": world.api.namespace,
        "member": "alice",
        "at": at,
    }
    assert verifier.verify(token, bearer=bearer) == expected
    assert verifier.verify(token) == {"valid": False, "code": "RoleChanged"}

    with VerifierProcess(config_of(control_plane, VERIFIER), tmp_path / "verifier.log") as restarted:
        assert restarted.verify(token, bearer=bearer) == expected
        # The hash went with the ApiKey, so nobody can tell whether its bearer has the secret.
        assert restarted.verify(token) == {"valid": False}
        assert restarted.authorize(token).json() == {"code": "Unauthorized"}
        assert hits(restarted, token) == 3


def test_a_dead_id_with_a_wrong_secret_tells_its_code_to_authorized_callers_only(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    token, bearer = known_key(world, verifier), authorized(control_plane, world.api.namespace)
    die(world)
    assert verifier.verify(forged(token)) == {"valid": False}
    assert verifier.verify(forged(token), bearer=bearer)["code"] == "RoleChanged"


def test_the_time_of_an_earlier_role_change_is_not_told_for_a_later_one(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess, operator: OperatorProcess
) -> None:
    world.organization(keys={"onRoleChange": "Revoke"})
    world.create(member("alice"), api_key("laptop", "alice"))
    first = known(world, verifier, "laptop")
    bearer = authorized(control_plane, world.api.namespace)
    world.change_role("alice", "Viewer")
    at = world.wait_role_change("alice", 2, within=30)["at"]
    world.wait_reason("laptop", "RoleChanged", within=30)
    wait_code(verifier, first, "RoleChanged")
    assert verifier.verify(first, bearer=bearer)["at"] == at

    world.change_key("laptop", revision=2)
    second = world.wait_new_token("laptop", first, within=30)
    wait_code(verifier, second, "Valid")
    operator.stop()
    world.change_role("alice", "Analyst")
    wait_code(verifier, second, "RoleChanged")
    details = verifier.verify(second, bearer=bearer)
    assert (details["code"], details.get("at")) == ("RoleChanged", None)


def test_uses_of_dead_keys_are_counted_and_logged_one_line_each_without_the_token(
    world: World, verifier: VerifierProcess
) -> None:
    token = known_key(world, verifier)
    die(world)
    wait_code(verifier, token, "RoleChanged")
    counted = hits(verifier, token)
    assert counted >= 1
    eventually(lambda: '"code": "RoleChanged"' in verifier.log, within=10, describe="the lines so far")
    logged = len(answers(verifier, token))
    verifier.code(token)
    verifier.authorize(token)
    verifier.review({"token": token.reveal()})
    assert hits(verifier, token) == counted + 3
    # A line is written right after its answer.
    eventually(lambda: len(answers(verifier, token)) == logged + 3, within=10, describe="three lines")
    lines = answers(verifier, token)[logged:]
    assert [(line["key_id"], line["source"], line["code"]) for line in lines] == [
        (token.key_id, "127.0.0.1", "RoleChanged")
    ] * 3
    assert token.reveal() not in verifier.log
    assert token.reveal()[17:] not in verifier.log


def test_a_living_key_is_no_hit_whatever_is_asked(world: World, verifier: VerifierProcess) -> None:
    token = known_key(world, verifier)
    verifier.code(token, organization="globex")
    verifier.verify(forged(token))
    assert hits(verifier, token) == 0
