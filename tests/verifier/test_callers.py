"""Who learns what: details for those who may have them, nothing about tokens that don't exist."""

from pathlib import Path

import pytest
import requests

from support.api.client import fresh_namespace
from support.cluster.identity import VERIFIER, config_of
from support.cluster.verified import authorized, forged, known_key, let_verify, service_token
from support.cluster.world import World
from support.programs.verifier_process import Body, VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure.verifier.http.app import FAILURES_PER_MINUTE
from tenure_dev.controlplane import ControlPlane


def test_details_need_the_right_in_the_keys_own_namespace(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    token, namespace = known_key(world, verifier, ttl="24h"), world.api.namespace
    known = service_token(control_plane, namespace)
    for caller in ("", "made-up", token.reveal(), known):
        assert verifier.verify(token, bearer=caller) == {"valid": True, "code": "Valid"}
    let_verify(control_plane, namespace)
    details = eventually(lambda: told(verifier, token, known), within=30, describe="details are told")
    assert details is not None
    assert details["valid"] is True
    assert details["expiresAt"] == world.key("laptop")["status"]["expiresAt"]
    shown = {
        name: details[name] for name in ("code", "keyId", "organization", "namespace", "member", "subject", "role")
    }
    assert shown == {
        "code": "Valid",
        "keyId": token.key_id,
        "organization": "acme",
        "namespace": namespace,
        "member": "alice",
        "subject": "alice@acme.io",
        "role": "Member",
    }
    assert details["capabilities"]["costs"] == "Full"
    assert verifier.verify(Token.mint(bytes(ENTROPY_BYTES)), bearer=known) == {"valid": False}


def told(verifier: VerifierProcess, token: Token, bearer: str) -> Body | None:
    """What a caller learns beyond what everybody does; what the API server says of one holds for some seconds."""
    answer = verifier.verify(token, bearer=bearer)
    return answer if "keyId" in answer else None


def asked(verifier: VerifierProcess, resource: str) -> float:
    """How often the API server was asked."""
    metrics = verifier.ask("metrics")[1].splitlines()
    found = [line for line in metrics if line.startswith("tenure_api_requests_total") and f'"{resource}"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in found)


def test_a_caller_is_asked_about_once_in_some_seconds_whatever_the_token(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    token = known_key(world, verifier)
    caller = service_token(control_plane, world.api.namespace)
    unknown = Token.mint(b"\x07" * ENTROPY_BYTES)
    for asked_about in (token, unknown, forged(token)):
        before = asked(verifier, "tokenreviews")
        for _ in range(20):
            verifier.verify(asked_about, bearer=caller)
        # Of an unknown id and of a wrong secret nothing is known, so both are one question.
        assert asked(verifier, "tokenreviews") - before <= 2


def test_strangers_are_no_way_to_keep_the_api_server_busy(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess, tmp_path: Path
) -> None:
    token, namespace = known_key(world, verifier), world.api.namespace
    with VerifierProcess(config_of(control_plane, VERIFIER), tmp_path / "verifier.log") as own:
        for number in range(FAILURES_PER_MINUTE * 2 + 100):
            assert own.verify(token, bearer=f"stranger-{number}")["valid"] is True
        assert asked(own, "tokenreviews") <= FAILURES_PER_MINUTE * 2
        # Failures of callers are no failures of keys.
        assert own.authorize(token, namespace=namespace).status_code == 200


def test_callers_tokens_can_be_made_good_for_nothing_else(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess, tmp_path: Path
) -> None:
    token, namespace = known_key(world, verifier), world.api.namespace
    everywhere = authorized(control_plane, namespace)
    for_us = service_token(control_plane, namespace, "tenure-verifier")
    options = ("--caller-audience", "tenure-verifier")
    with VerifierProcess(config_of(control_plane, VERIFIER), tmp_path / "verifier.log", *options) as strict:
        assert told(strict, token, for_us) is not None
        assert told(strict, token, everywhere) is None
    assert told(verifier, token, for_us) is None, "without the option it is no token for the API server"


def test_the_right_in_another_namespace_is_none(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    token = known_key(world, verifier)
    with fresh_namespace(control_plane) as other:
        caller = authorized(control_plane, other.namespace)
        assert verifier.verify(token, bearer=caller) == {"valid": True, "code": "Valid"}


STRANGERS = {
    "a made-up token": "made-up",
    "a JWT that nobody signed": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
    "a long one": "x" * 20_000,
    "beyond ASCII": "\u00e9\u00e9",
    "quotes": '"}, {"',
}


@pytest.mark.parametrize("bearer", STRANGERS.values(), ids=STRANGERS)
def test_a_bearer_that_nobody_knows_learns_what_everybody_learns(
    world: World, verifier: VerifierProcess, bearer: str
) -> None:
    token = known_key(world, verifier)
    body = {"token": token.reveal()}
    headers = {"Authorization": b"Bearer " + bearer.encode()}
    answer = requests.post(f"{verifier.url}/v1/verify", json=body, headers=headers, timeout=NEVER)
    assert (answer.status_code, answer.json()) == (200, {"valid": True, "code": "Valid"})


def test_b_69_a_wrong_secret_tells_nothing_to_anybody(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    token = known_key(world, verifier)
    bearer = authorized(control_plane, world.api.namespace)
    for caller in ("", bearer):
        assert verifier.verify(forged(token), bearer=caller) == {"valid": False}
    answer = verifier.authorize(forged(token))
    assert (answer.status_code, answer.json()) == (401, {"code": "Unauthorized"})


def test_a_key_that_works_and_does_not_open_this_has_details_too(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    token = known_key(world, verifier, "Viewer", access="View")
    bearer = authorized(control_plane, world.api.namespace)
    details = verifier.verify(token, bearer=bearer, capability="members", level="Full")
    assert (details["valid"], details["code"], details["access"]) == (False, "Forbidden", "View")
    assert details["capabilities"] == {
        "clusters": "View",
        "billing": "View",
        "costs": "View",
        "organization": "None",
        "members": "None",
    }
    assert details["expiresAt"] is None
