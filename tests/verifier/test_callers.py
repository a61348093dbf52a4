"""Who learns what: details for those who may have them, nothing about tokens that don't exist."""

import json
from pathlib import Path

import pytest
import requests

from support.eventually import eventually
from support.identity import VERIFIER, config_of
from support.manifests import api_key, member, organization
from support.verifier_process import VerifierProcess
from support.world import World
from tenure.domain.tokens import ENTROPY_BYTES, Token
from tenure_dev.controlplane import ControlPlane


@pytest.fixture
def token(world: World, verifier: VerifierProcess) -> Token:
    world.create(organization(), member("alice"), api_key("laptop", "alice", ttl="24h"))
    token = world.issue("laptop", within=30)["laptop"]
    eventually(lambda: verifier.code(token) == "Valid", within=30, describe="the verifier knows the key")
    return token


def bearer(plane: ControlPlane, namespace: str) -> str:
    return plane.kubectl("create", "token", "default", f"--namespace={namespace}").stdout.strip()


def let(plane: ControlPlane, namespace: str) -> None:
    """Let the namespace's default ServiceAccount learn details of its keys."""
    rule = ["--verb=create", "--resource=organizations.tenure.dev/verify"]
    plane.kubectl("create", "role", "verifies", *rule, f"--namespace={namespace}")
    subject = f"--serviceaccount={namespace}:default"
    plane.kubectl("create", "rolebinding", "verifies", "--role=verifies", subject, f"--namespace={namespace}")


def test_details_need_the_right_in_the_keys_own_namespace(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess, token: Token
) -> None:
    namespace = world.api.namespace
    known = bearer(control_plane, namespace)
    for caller in ("", "made-up", token.reveal(), known):
        assert verifier.verify(token, bearer=caller) == {"valid": True, "code": "Valid"}
    let(control_plane, namespace)
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


def test_a_dead_key_explains_itself_also_after_a_restart(
    control_plane: ControlPlane, world: World, verifier: VerifierProcess, token: Token, tmp_path: Path
) -> None:
    let(control_plane, world.api.namespace)
    known = bearer(control_plane, world.api.namespace)
    world.change_role("alice", "Viewer")
    world.wait_gone("apikeys", "laptop", within=30)
    at = world.wait_role_change("alice", 2, within=30)["at"]

    seen = verifier.verify(token, bearer=known)
    assert (seen["code"], seen["member"]) == ("RoleChanged", "alice")
    assert verifier.verify(token) == {"valid": False, "code": "RoleChanged"}

    with VerifierProcess(config_of(control_plane, VERIFIER), tmp_path / "verifier.log") as restarted:
        told = restarted.verify(token, bearer=known)
        assert (told["code"], told["at"], told["member"]) == ("RoleChanged", at, "alice")
        # The hash went with the ApiKey, so nobody can tell whether its bearer has the secret.
        assert restarted.verify(token) == {"valid": False}


def test_uses_of_dead_keys_are_counted_and_logged_without_the_token(
    world: World, verifier: VerifierProcess, token: Token
) -> None:
    world.change_role("alice", "Viewer")
    eventually(lambda: verifier.code(token) == "RoleChanged", within=30, describe="the key is dead")
    metrics = requests.get(f"{verifier.url}/metrics", timeout=10).text
    assert f'tenure_dead_key_hits_total{{key_id="{token.key_id}"}}' in metrics
    lines = [json.loads(line) for line in verifier.log.splitlines() if token.key_id in line and '"code"' in line]
    assert {"key_id", "source", "code"} <= lines[-1].keys()
    assert (lines[-1]["code"], lines[-1]["source"]) == ("RoleChanged", "127.0.0.1")
    assert token.reveal() not in verifier.log
