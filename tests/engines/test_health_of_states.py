"""What the real engines make of our health scripts and expressions, for objects in several states at once."""

from support.cluster.world import World
from support.engines.engine import Sync
from support.objects.repository import KEYS, Body

WITHIN = 60.0


def key(sync: Sync, name: str, **spec: object) -> Body:
    body: Body = {
        "apiVersion": "tenure.dev/v1alpha1",
        "kind": "ApiKey",
        "metadata": {"name": name, "namespace": sync.name},
        "spec": {"membership": "alice", "access": "View", **spec},
    }
    sync.repository.files["ApiKey", name] = body
    return body


def test_a_suspended_object_is_healthy_and_holds_nothing_up(sync: Sync, world: World) -> None:
    sync.settle()
    world.issue(*KEYS, within=WITHIN)
    key(sync, "resting", suspended=True)
    sync.settle("Add a suspended key")
    world.wait_reason("resting", "Suspended", within=WITHIN)


def test_a_key_that_waits_for_its_member_is_neither_healthy_nor_failed(sync: Sync, world: World) -> None:
    sync.settle()
    key(sync, "early", membership="dora")
    sync.push("Add a key without its member")
    world.wait_reason("early", "MembershipNotFound", within=WITHIN)
    attempt = sync.wait(lambda attempt: not attempt.applied, "not healthy")
    assert "Degraded" not in attempt.message
    assert "Failed" not in attempt.message
    dora = {**sync.repository.member("anna")["spec"], "subject": {"kind": "User", "name": "dora@acme.io"}}
    sync.repository.files["Membership", "dora"] = {
        **sync.repository.member("anna"),
        "metadata": {"name": "dora", "namespace": sync.name},
        "spec": dora,
    }
    sync.settle("Add the member")


def test_an_expired_key_is_degraded_and_said_to_be_so(sync: Sync, world: World) -> None:
    sync.settle()
    key(sync, "old", expiresAt="2026-01-01T00:00:00Z")
    sync.push("Add a key that expired")
    world.wait_reason("old", "Expired", within=WITHIN)
    said = sync.says("Failed" if sync.engine.namespace == "flux-system" else "Degraded")
    assert "old" in said.message
