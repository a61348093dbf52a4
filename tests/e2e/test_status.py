"""The status as automation reads it: no promise too early, no rewriting without news, sums that add up."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.api.audit import Audit
from support.api.kubectl import NamespacedKubectl
from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import PLURALS, Body, World
from support.objects.manifests import api_key, member, organization, secret, service_account
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from support.run.sweeps import lists_in, wait_sweeps
from tenure.domain.resources.base import format_time
from tenure.domain.roles import Role, capabilities
from tenure_dev.controlplane import ControlPlane

UNREAD = {"observedGeneration": -1}
MORE_THAN_ALL_WORKERS = 65
EVERYTHING = (
    organization(keys={"maxPerMember": 3}, suspendedMembers=[{"name": "carol"}]),
    *(member("alice"), member("bob", "Viewer"), member("carol", "Owner"), member("dave")),
    service_account("ci", "Analyst"),
    member("elsewhere", organization="other"),
    api_key("laptop", "alice"),
    api_key("expiring", "alice", ttl="1000h"),
    api_key("suspended", "alice", suspended=True),
    api_key("unapproved", "bob", forRole="Owner"),
    api_key("expired", "bob", expiresAt="2026-01-01T00:00:00Z"),
    secret("conflict"),
    api_key("conflict", "bob"),
    api_key("carols", "carol"),
    *(api_key(f"dave-{number}", "dave") for number in range(4)),
    api_key("nobodys", "nobody"),
    api_key("elsewhere", "elsewhere"),
    api_key("pipeline", "ci", access="View"),
)
REASONS = {
    "laptop": "Issued",
    "expiring": "Issued",
    "suspended": "Suspended",
    "unapproved": "RoleMismatch",
    "expired": "Expired",
    "conflict": "SecretConflict",
    "carols": "Suspended",
    "dave-0": "Issued",
    "dave-1": "Issued",
    "dave-2": "Issued",
    "dave-3": "QuotaExceeded",
    "nobodys": "MembershipNotFound",
    "elsewhere": "OrganizationNotFound",
    "pipeline": "Issued",
}


KEY_COUNTS = {"alice": 2, "bob": 0, "carol": 0, "dave": 3, "ci": 1, "elsewhere": 0}


def wait_settled(world: World) -> None:
    for name, reason in REASONS.items():
        world.wait_reason(name, reason)
    world.wait_valid_keys(sum(KEY_COUNTS.values()))
    for name, count in KEY_COUNTS.items():
        wait_key_count(world, name, count)


def wait_key_count(world: World, name: str, count: int) -> None:
    eventually(lambda: world.member(name)["status"].get("keyCount") == count, describe=f"{name} has {count} keys")


def statuses(world: World) -> dict[tuple[str, str], Body]:
    """Return what must not change without news, of every object: resourceVersion, metadata, status and all."""
    return {(plural, body["metadata"]["name"]): body for plural in PLURALS.values() for body in world.api.list(plural)}


@pytest.mark.usefixtures("operator")
def test_kubectl_waits_for_ready_on_each_kind(world: World, kubectl: NamespacedKubectl) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))

    for kind in ("organization", "membership", "apikey"):
        kubectl("wait", "--for=condition=Ready", kind, "--all", "--timeout=300s")
        (body,) = kubectl.json("get", kind)["items"]
        assert body["status"]["observedGeneration"] == body["metadata"]["generation"]


def test_nothing_is_ready_before_it_was_reconciled(world: World, operator: OperatorProcess) -> None:
    operator.pause()
    created = world.create(organization(), member("alice"), api_key("laptop", "alice"))
    assert [body["status"] for body in created] == [UNREAD] * 3

    operator.resume()

    world.issue("laptop")
    for kind, name in (("organizations", "acme"), ("memberships", "alice")):
        world.wait_reason(name, "Active", plural=kind)


def test_a_change_is_not_observed_before_it_was_reconciled(world: World, operator: OperatorProcess) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    world.issue("laptop")
    operator.pause()

    world.change_key("laptop", suspended=True)
    key = world.key("laptop")
    assert (key["status"]["observedGeneration"], key["metadata"]["generation"]) == (1, 2)

    operator.resume()
    key = world.wait_reason("laptop", "Suspended")
    assert [condition["observedGeneration"] for condition in key["status"]["conditions"]] == [2]


def test_no_status_is_rewritten_without_news(
    world: World, control_plane: ControlPlane, audit: Audit, tmp_path: Path
) -> None:
    namespace = world.api.namespace
    world.create(*EVERYTHING)
    with OperatorProcess(
        config_of(control_plane, CONTROLLER), tmp_path / "operator.log", "--namespace", namespace, "--resync", "1"
    ) as operator:
        wait_settled(world)
        world.wait_rest()
        before = statuses(world)

        wait_sweeps(lists_in(audit, namespace), 3)
        assert statuses(world) == before

        operator.stop()
        operator.start()
        wait_sweeps(lists_in(audit, namespace), 2)
        assert statuses(world) == before


@pytest.mark.usefixtures("operator")
def test_a_transition_time_moves_with_the_status_alone(world: World) -> None:
    world.create(organization(), member("alice"), api_key("laptop", "alice", forRole="Member"))
    world.issue("laptop")
    world.change_role("alice", "Viewer")
    before = world.wait_reason("laptop", "RoleMismatch")["status"]["conditions"][0]
    eventually(lambda: format_time(datetime.now(UTC)) > before["lastTransitionTime"], describe="another second begins")

    world.change_key("laptop", expiresAt="2026-01-01T00:00:00Z", forRole="Viewer")
    after = world.wait_reason("laptop", "Expired")["status"]["conditions"][0]

    assert (before["status"], after["status"]) == ("False", "False")
    assert after["message"] != before["message"]
    assert after["lastTransitionTime"] == before["lastTransitionTime"]


@pytest.mark.usefixtures("operator")
def test_the_organization_counts_its_members(world: World) -> None:
    world.create(*EVERYTHING)
    wait_settled(world)

    status = acme(world)["status"]
    assert status["members"] == {"owner": 1, "member": 2, "analyst": 1, "viewer": 1, "total": 5}
    assert status["owners"] == ["carol"]
    policy = {"whenKeysExist": "Warn", "onRoleChange": "Auto", "maxPerMember": 3, "requireExpiry": False}
    assert status["policy"] == policy | {"defaultOverlap": "1h", "maxOverlap": "168h"}


@pytest.mark.usefixtures("operator")
def test_the_organization_counts_its_keys_by_what_they_can_do(world: World) -> None:
    def wait_counts(**counts: int) -> None:
        wanted = {"valid": 0, "suspended": 0, "waiting": 0, "ended": 0, **counts}
        eventually(lambda: acme(world)["status"].get("keys") == wanted, describe=f"the counts are {wanted}")

    world.create(organization(), member("alice"), member("bob"), *(api_key(f"key-{n}", "alice") for n in range(4)))
    world.create(api_key("bobs", "bob", forRole="Member"), api_key("nobodys", "nobody"))
    wait_counts(valid=5, waiting=1)
    world.change_key("key-0", suspended=True)
    world.change_key("key-1", expiresAt="2026-01-01T00:00:00Z")
    wait_counts(valid=3, suspended=1, ended=1, waiting=1)
    world.change_role("bob", "Viewer")
    wait_counts(valid=2, suspended=1, ended=2, waiting=1)
    world.api.delete("apikeys", "key-1")
    wait_counts(valid=2, suspended=1, ended=1, waiting=1)


@pytest.mark.usefixtures("operator")
def test_an_organization_awaits_has_and_loses_its_owner(world: World) -> None:
    def wait_owners(reason: str, ready: str, *names: str) -> None:
        def seen() -> bool:
            has_owner, is_ready = (world.reason("organizations", "acme", type_) for type_ in ("HasOwner", "Ready"))
            return (has_owner, is_ready, acme(world)["status"]["owners"]) == (reason, ready, list(names))

        eventually(seen, describe=f"acme's owners are {names}: {reason}")

    world.organization()
    wait_owners("AwaitingFirstOwner", "Active")
    world.create(member("olga", "Owner"), member("otto", "Owner"))
    wait_owners("Owned", "Active", "olga", "otto")
    world.change_role("olga", "Member")
    wait_owners("Owned", "Active", "otto")
    world.api.delete("memberships", "otto")
    wait_owners("NoOwner", "NoOwner")
    world.change_role("olga", "Owner")
    wait_owners("Owned", "Active", "olga")


@pytest.mark.usefixtures("operator")
def test_a_membership_lists_its_capabilities_and_working_keys(world: World) -> None:
    world.create(organization(), member("alice"), service_account("ci", "Analyst"))
    world.create(api_key("b", "alice", access="View"), api_key("a", "alice"), api_key("c", "alice", suspended=True))
    tokens = world.issue("a", "b")

    listed = [{"name": "a", "access": "Full"}, {"name": "b", "access": "View"}]
    for key in listed:
        key["keyId"] = tokens[key["name"]].key_id
        key["issuedAt"] = world.key(key["name"])["status"]["issued"]["at"]
    eventually(lambda: world.member("alice")["status"].get("keys") == listed, describe="both keys are listed")
    status = world.member("alice")["status"]
    assert status["keyCount"] == 2
    assert (status["role"], status["username"]) == ("Member", "alice@acme.io")
    assert status["capabilities"] == levels(Role.MEMBER)
    assert "username" not in world.wait_reason("ci", "Active", plural="memberships")["status"]
    assert world.member("ci")["status"]["capabilities"] == levels(Role.ANALYST)

    world.change_role("ci", "Viewer")
    eventually(lambda: world.member("ci")["status"]["capabilities"] == levels(Role.VIEWER))


def acme(world: World) -> Body:
    (body,) = world.api.list("organizations")
    return body


def levels(role: Role) -> dict[str, str]:
    return {capability.value: level.label for capability, level in capabilities(role).items()}


@pytest.mark.usefixtures("operator")
def test_objects_that_do_not_fit_the_schema_hold_up_nobody(world: World) -> None:
    """A newer version, a restore or a hand in etcd may leave them; the API server takes a list for a time."""
    names = [f"key-{number}" for number in range(MORE_THAN_ALL_WORKERS)]
    world.create(organization(), member("alice"), member("bob"), *(api_key(name, "alice") for name in names))
    tokens = world.issue(*names)
    for name in names:
        world.api.patch("apikeys", name, {"status": {"issued": {"at": []}}}, "status")

    world.change_role("alice", "Viewer")
    for name in names:
        world.wait_gone("secrets", name)
    world.create(api_key("bobs", "bob"))

    world.issue("bobs")
    assert len(tokens) == MORE_THAN_ALL_WORKERS
