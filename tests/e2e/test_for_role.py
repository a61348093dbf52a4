"""`forRole`: one commit carries the role and the keys that should go on, in whatever order it is applied."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.api.audit import Audit
from support.api.kubectl import NamespacedKubectl
from support.cluster.identity import CONTROLLER, config_of
from support.cluster.world import Body, World
from support.objects.manifests import api_key, marked, member, organization
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from support.run.sweeps import lists_in, wait_sweeps
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

ORDERS: Mapping[str, tuple[str, str]] = {"alice": ("role", "forRole"), "bob": ("forRole", "role")}
"""Members, each with the order in which the two changes of the commit are applied."""


def apply(world: World, name: str, change: str) -> None:
    """Apply one change of the commit that makes a member Viewer and approves one of their keys for that."""
    if change == "role":
        world.change_role(name, "Viewer")
    else:
        world.change_key(f"{name}-approved", forRole="Viewer")


@pytest.fixture
def sweeping_operator(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    options = ("--namespace", namespace, "--resync", "1")
    with OperatorProcess(config_of(control_plane, CONTROLLER), tmp_path / "operator.log", *options) as operator:
        yield operator


def assert_goes_on(world: World, name: str, old: Token) -> None:
    """Check that a key gets a new token for the role Viewer, and that the old one stays dead."""
    token = world.wait_new_token(name, old)
    key = world.key(name)
    issued, membership = key["status"]["issued"], world.member(key["spec"]["membership"])
    assert (issued["role"], key["spec"]["forRole"]) == ("Viewer", "Viewer")
    assert issued["membershipGeneration"] == membership["metadata"]["generation"]
    assert world.verdict(token) == "Valid"
    assert world.verdict(old) == "NotFound"


def assert_waits(world: World, name: str) -> None:
    """Check that a key without approval waits without a Secret."""
    world.wait_gone("secrets", name)
    key = world.wait_reason(name, "RoleMismatch")
    message = key["status"]["conditions"][0]["message"]
    assert f"approved for the role Member, but {key['spec']['membership']} has the role Viewer" in message


@pytest.mark.parametrize("stopped", ["never", "throughout", "in between"])
def test_in_both_orders_an_approved_key_goes_on_and_a_forgotten_one_waits(
    world: World, operator: OperatorProcess, stopped: str
) -> None:
    approved, forgotten = ([f"{name}-{what}" for name in ORDERS] for what in ("approved", "forgotten"))
    world.create(organization(), *(member(name) for name in ORDERS))
    keys = [api_key(name, name.partition("-")[0], forRole="Member") for name in [*approved, *forgotten]]
    uids = [key["metadata"]["uid"] for key in world.create(*keys)]
    tokens = world.issue(*approved, *forgotten)

    if stopped == "throughout":
        operator.stop()
    for name, (first, _) in ORDERS.items():
        apply(world, name, first)
        # The approval alone ends no token. The role may be refused.
        assert (world.verdict(tokens[f"{name}-approved"]) == "Valid") is (first == "forRole")
    if stopped == "in between":
        for name, (first, _) in ORDERS.items():
            world.wait_reason(f"{name}-approved", "RoleMismatch" if first == "role" else "Issued")
        operator.stop()
    for name, (_, second) in ORDERS.items():
        apply(world, name, second)
    assert "Valid" not in {world.verdict(token) for token in tokens.values()}
    if stopped != "never":
        operator.start()

    for name in approved:
        assert_goes_on(world, name, tokens[name])
    for name in forgotten:
        assert_waits(world, name)
    assert [world.key(name)["metadata"]["uid"] for name in [*approved, *forgotten]] == uids


def test_the_record_says_which_keys_go_on(world: World, operator: OperatorProcess) -> None:
    world.create(organization(), member("alice"))
    names = ("approved", "deleted", "forgotten")
    world.create(*(api_key(name, "alice", **({} if name == "deleted" else {"forRole": "Member"})) for name in names))
    tokens = world.issue(*names)

    operator.stop()
    world.change_role("alice", "Viewer")
    world.change_key("approved", forRole="Viewer")
    operator.start()

    assert world.wait_role_change("alice", 2)["keys"] == [
        {"name": name, "keyId": tokens[name].key_id, "fate": fate}
        for name, fate in zip(names, ("Reissued", "Deleted", "Revoked"), strict=True)
    ]


@pytest.mark.usefixtures("operator")
def test_in_both_orders_a_key_may_be_approved_for_the_first_time(world: World, kubectl: NamespacedKubectl) -> None:
    keys = {name: f"{name}-approved" for name in ORDERS}
    kubectl.apply(organization(), *map(member, ORDERS), *(api_key(key, name) for name, key in keys.items()))
    tokens = world.issue(*keys.values())

    for name, order in ORDERS.items():
        manifests = {"role": member(name, "Viewer"), "forRole": api_key(keys[name], name, forRole="Viewer")}
        for change in order:
            apply_stubbornly(kubectl, manifests[change])

    for key in keys.values():
        assert_goes_on(world, key, tokens[key])


def apply_stubbornly(kubectl: NamespacedKubectl, manifest: Body) -> None:
    """Apply as GitOps tools do: again, where the key was deleted just while it was being patched."""

    def applied() -> bool:
        kubectl.apply(manifest)
        return True

    eventually(applied, describe=f"{manifest['metadata']['name']} is applied")


@pytest.mark.usefixtures("operator")
def test_approval_revives_a_key_that_the_role_change_left_as_a_tombstone(world: World) -> None:
    tracked = {"argocd.argoproj.io/tracking-id": "acme:tenure.dev/ApiKey:acme/approved"}
    world.create(organization(), member("alice"), marked(api_key("approved", "alice"), annotations=tracked))
    old = world.issue("approved")["approved"]
    world.change_role("alice", "Viewer")
    world.wait_reason("approved", "RoleChanged")

    world.change_key("approved", forRole="Analyst")
    world.wait_reason("approved", "RoleMismatch")
    assert world.token("approved") is None

    world.change_key("approved", forRole="Viewer")
    assert_goes_on(world, "approved", old)


@pytest.mark.usefixtures("operator")
def test_a_key_for_a_role_to_come_waits_for_it(world: World) -> None:
    world.create(organization(), member("alice"), api_key("approved", "alice", forRole="Viewer"))
    world.wait_reason("approved", "RoleMismatch")
    assert world.api.get("secrets", "approved") is None

    world.change_role("alice", "Viewer")

    assert world.verdict(world.issue("approved")["approved"]) == "Valid"
    assert world.wait_role_change("alice", 2)["keyCount"] == 0


def test_there_and_back_ends_the_token_of_a_key_approved_for_that_role(world: World, operator: OperatorProcess) -> None:
    world.create(organization(), member("alice"), api_key("approved", "alice", forRole="Member"))
    old = world.issue("approved")["approved"]

    operator.stop()
    world.change_role("alice", "Viewer")
    world.change_role("alice", "Member")
    assert world.verdict(old) == "RoleChanged"
    operator.start()

    assert world.verdict(world.wait_new_token("approved", old)) == "Valid"
    assert world.verdict(old) == "NotFound"


@pytest.mark.usefixtures("sweeping_operator")
def test_a_waiting_key_is_never_deleted_and_goes_on_when_the_role_returns(world: World, audit: Audit) -> None:
    world.create(organization(keys={"onRoleChange": "Delete"}), member("alice"))
    (created,) = world.create(api_key("waiting", "alice", forRole="Member"))
    old = world.issue("waiting")["waiting"]
    world.change_role("alice", "Viewer")
    world.wait_reason("waiting", "RoleMismatch")
    world.wait_rest()  # It becomes Stalled some seconds later.
    waiting = world.key("waiting")

    wait_sweeps(lists_in(audit, world.api.namespace))

    assert world.key("waiting") == waiting
    assert waiting["metadata"]["uid"] == created["metadata"]["uid"]
    world.change_role("alice", "Member")
    assert world.verdict(world.wait_new_token("waiting", old)) == "Valid"
    assert world.verdict(old) == "NotFound"
