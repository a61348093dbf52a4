"""Who learns what: details for those who may have them, nothing about tokens that don't exist."""

import pytest
import requests

from support.verified import authorized, forged, known_key, let_verify, service_token
from support.verifier_process import VerifierProcess
from support.world import World
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure_dev.controlplane import ControlPlane


def test_details_need_the_right_in_the_keys_own_namespace(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess
) -> None:
    token, namespace = known_key(world, verifier, ttl="24h"), world.api.namespace
    known = service_token(control_plane, namespace)
    for caller in ("", "made-up", token.reveal(), known):
        assert verifier.verify(token, bearer=caller) == {"valid": True, "code": "Valid"}
    let_verify(control_plane, namespace)
    details = verifier.verify(token, bearer=known)
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


def test_the_right_in_another_namespace_is_none(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess, namespace: str
) -> None:
    token = known_key(world, verifier)
    assert verifier.verify(token, bearer=authorized(control_plane, namespace)) == {"valid": True, "code": "Valid"}


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
    answer = requests.post(f"{verifier.url}/v1/verify", json=body, headers=headers, timeout=10)
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
