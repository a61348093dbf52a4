"""The export of docs/operations/backup-and-restore.md, applied to an empty cluster."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api.api import Api
from support.cluster.world import World
from support.objects.manifests import api_key, marked, member, organization, service_account
from support.programs.judged import Judged, judged_plane
from tenure_dev.paths import CHECKOUT

PAGE = CHECKOUT / "docs" / "operations" / "backup-and-restore.md"
ACKNOWLEDGED = {"tenure.dev/acknowledge-key-deletion": "Viewer: ci, laptop"}
LIKE_OTHER_TYPES = ("123", "true", "null", "1e3", "0x1f", "2026-01-01")
"""Names that YAML would take for something else."""
KEYS = ("ci", "laptop", "robot", *LIKE_OTHER_TYPES)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Judged]:
    """Give another, empty cluster with Tenure."""
    with judged_plane(tmp_path / "elsewhere") as judged:
        yield judged


def line(beginning: str) -> list[str]:
    """The words of a line of the page, as a shell splits them."""
    (found,) = [text for text in PAGE.read_text().splitlines() if text.startswith(beginning)]
    return shlex.split(found.partition(" > ")[0])


def export(judged: Judged, namespace: str) -> str:
    words = line("kubectl get memberships,apikeys,organizations")
    return judged.plane.kubectl(*[namespace if word == "acme" else word for word in words[1:]]).stdout


def apply(judged: Judged, exported: str) -> None:
    judged.plane.kubectl("create", "namespace", "acme")
    *words, file = line("kubectl apply -n acme -f")[1:]
    assert file == "acme.yaml"
    judged.plane.kubectl(*words, "-", input=exported)


def test_an_export_makes_the_same_organization_with_new_tokens(world: World, judged: Judged, elsewhere: Judged) -> None:
    world.create(organization(roleChanges={"whenKeysExist": "RequireAcknowledgement"}), member("olga", "Owner"))
    world.create(member("alice"), service_account("deploy"))
    world.create(
        marked(api_key("ci", "alice", ttl="2160h"), labels={"a.io/team": "x"}, annotations={"a.io/n": '"1": {'})
    )
    world.create(api_key("laptop", "alice", access="View"), api_key("robot", "deploy"))
    world.create(*(api_key(name, "deploy") for name in LIKE_OTHER_TYPES))
    world.issue(*KEYS, within=30)
    for key in ("ci", "laptop"):
        world.change_key(key, forRole="Viewer")
    world.change_role("alice", "Viewer", annotations=ACKNOWLEDGED)
    world.wait_role_change("alice", 2, within=30)
    old = world.issue(*KEYS, within=30)

    apply(elsewhere, export(judged, world.api.namespace))

    api = Api(elsewhere.plane, "acme")
    restored = World(api)
    new = restored.issue(*KEYS, within=30)
    assert {body["metadata"]["name"] for body in api.list("secrets")} == set(KEYS)
    assert {token.reveal() for token in new.values()}.isdisjoint(token.reveal() for token in old.values())
    assert {restored.verdict(token) for token in new.values()} == {"Valid"}
    assert {restored.verdict(token) for token in old.values()} == {"NotFound"}
    for plural in ("organizations", "memberships", "apikeys"):
        assert {body["metadata"]["name"]: body["spec"] for body in api.list(plural)} == {
            body["metadata"]["name"]: body["spec"] for body in world.api.list(plural)
        }
    assert restored.key("ci")["metadata"]["labels"] == {"a.io/team": "x"}
    assert restored.key("ci")["metadata"]["annotations"]["a.io/n"] == '"1": {'
    check_acknowledgement(restored)
    api.close()


def test_a_restore_is_complete_although_the_rules_have_become_stricter(
    world: World, judged: Judged, elsewhere: Judged
) -> None:
    world.create(organization(), member("olga", "Owner"), member("pat", "Analyst"), member("jo"))
    world.create(api_key("long", "jo", ttl="9000h"), api_key("over", "jo"), api_key("fine", "jo", ttl="24h"))
    world.issue("long", "over", "fine", within=30)
    world.change_key("over", expiresAt="2026-01-01T00:00:00Z")
    world.wait_reason("over", "Expired", within=30)
    rules = {
        "allowedEmailDomains": ["elsewhere.example"],
        "roleChanges": {"deny": [{"from": "None", "to": "Owner"}, {"from": "*", "to": "Owner"}]},
        "keys": {"maxTTL": "2160h", "requireExpiry": True},
    }
    world.api.patch("organizations", "acme", {"spec": rules})

    apply(elsewhere, export(judged, world.api.namespace))

    restored = World(Api(elsewhere.plane, "acme"))
    for name in ("olga", "pat", "jo"):
        restored.wait_reason(name, "Active", plural="memberships", within=30)
    restored.wait_reason("acme", "Active", plural="organizations", within=30)
    restored.issue("fine", within=30)
    restored.wait_reason("over", "Expired", within=30)
    restored.wait_reason("long", "PolicyViolation", within=30)
    restored.api.close()


def check_acknowledgement(restored: World) -> None:
    """The one that came along is spent, and the last Owner stays."""
    restored.wait_counted(within=30)
    denied = restored.api.plane.kubectl(
        *("patch", "membership", "alice", "--namespace=acme", "--type=merge", '--patch={"spec":{"role":"Member"}}'),
        check=False,
    )
    assert "is from an earlier change" in denied.stderr
    denied = restored.api.plane.kubectl("delete", "membership", "olga", "--namespace=acme", check=False)
    assert "is the only Owner" in denied.stderr
