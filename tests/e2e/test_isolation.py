"""What is wrong with one object, or in one namespace, is nobody else's trouble."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.api.audit import Audit
from support.cluster.identity import CONTROLLER, config_of
from support.cluster.state import counts
from support.cluster.world import Body, World, fresh_world
from support.faults.exchange import Answer, Reply, Request
from support.faults.proxy import Proxy
from support.objects.manifests import api_key, marked, member, organization, secret
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from support.run.sweeps import lists_in, wait_sweeps
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

LAST_HANDLED = "kopf.zalando.org/last-handled-configuration"
TEAM = (organization(), member("alice"), member("bob", "Owner"), api_key("laptop", "alice"), api_key("server", "bob"))


@pytest.fixture
def other_world(control_plane: ControlPlane) -> Iterator[World]:
    """Give another namespace."""
    with fresh_world(control_plane) as world:
        yield world


@pytest.mark.usefixtures("operator")
def test_annotations_of_kopf_hold_nothing_up(world: World) -> None:
    poisons = [
        {LAST_HANDLED: "{"},
        {LAST_HANDLED: "[5]"},
        {LAST_HANDLED: "x" * 250_000},
        {"kopf.zalando.org/apikeys": "{", "kopf.zalando.org/touch-dummy": "}"},
    ]
    world.create(
        marked(organization(), annotations=poisons[0]),
        *(marked(member(f"member-{n}"), annotations=poison) for n, poison in enumerate(poisons)),
        *(marked(api_key(f"key-{n}", f"member-{n}"), annotations=poison) for n, poison in enumerate(poisons)),
        member("bob"),
        api_key("server", "bob"),
    )
    tokens = world.issue("server", *(f"key-{n}" for n in range(len(poisons))))

    for n, poison in enumerate(reversed(poisons)):
        world.change_role(f"member-{n}", "Viewer", annotations=poison)

    for n in range(len(poisons)):
        world.wait_gone("apikeys", f"key-{n}")
        assert world.api.get("secrets", f"key-{n}") is None
    assert world.verdict(tokens["server"]) == "Valid"


@pytest.mark.usefixtures("operator")
def test_keys_that_cant_be_issued_hold_nothing_up(world: World) -> None:
    blocked = [f"blocked-{number}" for number in range(80)]  # More than the operator works on at a time.
    world.create(*(secret(name) for name in blocked), *(api_key(name, "alice") for name in blocked))
    world.create(*TEAM)
    tokens = world.issue("laptop", "server", within=30)

    world.change_role("bob", "Viewer")

    world.wait_gone("secrets", "server")
    assert world.verdict(tokens["laptop"]) == "Valid"
    for name in blocked:
        world.wait_reason(name, "SecretConflict", within=30)


def test_an_object_whose_requests_all_fail_holds_nothing_up(
    world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    async def fail(request: Request) -> Answer:
        about = request.name or ((request.json or {}).get("metadata") or {}).get("name")
        return Reply.failure(500, "InternalError") if about in {"cursed", "carol"} else None

    with Proxy(control_plane, as_user=CONTROLLER) as proxy, _behind(proxy, world, tmp_path):
        proxy.on_request = fail
        world.create(*TEAM, member("carol"), api_key("cursed", "alice"), api_key("pager", "carol"))
        tokens = world.issue("laptop", "server")
        world.change_role("alice", "Viewer")
        world.wait_gone("apikeys", "laptop")
        assert world.verdict(tokens["server"]) == "Valid"
        assert world.reason("apikeys", "cursed") is None

        proxy.reset()
        world.issue("cursed", "pager", within=60)


def test_an_object_that_doesnt_fit_the_schema_holds_nothing_up(
    world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    async def misshape(request: Request, line: bytes) -> bytes | None:
        return line.replace(b'"access":"View"', b'"access":["?"]') if request.resource == "apikeys" else line

    async def misshape_list(request: Request, reply: Reply) -> Answer:
        return Reply(reply.status, await misshape(request, reply.body) or b"", reply.headers)

    with Proxy(control_plane, as_user=CONTROLLER) as proxy, _behind(proxy, world, tmp_path) as operator:
        proxy.on_watch_line, proxy.on_response = misshape, misshape_list
        world.create(*TEAM, api_key("odd", "alice") | {"spec": {"membership": "alice", "access": "View"}})
        tokens = world.issue("laptop", "server")
        world.change_role("alice", "Viewer")
        world.wait_gone("apikeys", "laptop")
        assert world.verdict(tokens["server"]) == "Valid"
        assert f"ApiKey {world.api.namespace}/odd: spec.access" in operator.log


def test_equal_names_in_two_namespaces_are_strangers(
    world: World, other_world: World, control_plane: ControlPlane, tmp_path: Path
) -> None:
    both = [argument for each in (world, other_world) for argument in ("--namespace", each.api.namespace)]
    with OperatorProcess(config_of(control_plane, CONTROLLER), tmp_path / "operator.log", *both):
        world.create(*TEAM)
        other_world.create(*TEAM)
        world.issue("laptop", "server")
        tokens = other_world.issue("laptop", "server")
        other_world.wait_rest()
        before = _stored(other_world)

        world.change_role("alice", "Viewer")
        world.wait_gone("apikeys", "laptop")
        world.api.delete("apikeys", "server")
        world.wait_gone("secrets", "server")
        world.create(api_key("laptop", "alice"))
        world.issue("laptop")
        world.api.delete("organizations", "acme")
        world.wait_reason("laptop", "OrganizationGone")

        _check_serves(other_world, before, tokens)


@pytest.mark.usefixtures("operator")
def test_a_second_organization_changes_nothing_for_the_first(world: World) -> None:
    (acme, *_) = world.create(*TEAM)
    tokens = world.issue("laptop", "server")
    world.wait_rest()
    before = _stored(world, "apikeys", "secrets")
    _wait_for_another_second(acme)

    world.create(organization("rival"), member("mallory", "Owner", organization="rival"), api_key("loot", "mallory"))

    rival = world.wait_reason("rival", "NamespaceTaken", plural="organizations")
    assert "The older Organization acme is in force" in rival["status"]["conditions"][0]["message"]
    assert {condition["type"] for condition in rival["status"]["conditions"]} == {"Ready", "Stalled"}
    world.wait_reason("loot", "OrganizationNotFound")
    world.create(api_key("ci", "alice"))
    tokens |= world.issue("ci")
    counted = world.wait_valid_keys(3)["status"]
    assert counted["keys"] == counts(3)
    assert counted["members"]["total"] == 2
    assert {uid: body for uid, body in _stored(world, "apikeys", "secrets").items() if uid in before} == before

    world.api.delete("organizations", "acme")
    assert "Valid" not in {world.verdict(token) for token in tokens.values()}
    world.wait_reason("rival", "Active", plural="organizations")
    world.issue("loot")
    world.wait_reason("laptop", "OrganizationGone")


def test_an_operator_serves_its_namespaces_only(
    world: World, other_world: World, control_plane: ControlPlane, audit: Audit, tmp_path: Path
) -> None:
    arguments = ("--namespace", world.api.namespace, "--resync", "1")
    with OperatorProcess(config_of(control_plane, CONTROLLER), tmp_path / "operator.log", *arguments):
        other_world.create(*TEAM)
        world.create(*TEAM)
        world.issue("laptop", "server")
        wait_sweeps(lists_in(audit, world.api.namespace))

    asked = {entry.namespace for entry in audit.entries() if entry.user_agent.startswith("tenure")}
    assert other_world.api.namespace not in asked
    assert other_world.key("laptop")["status"] == {"observedGeneration": -1}
    assert other_world.api.list("secrets") == []


def _check_serves(world: World, before: dict[str, Body], tokens: dict[str, Token]) -> None:
    """Check that nothing has changed, and that what is new is served."""
    assert _stored(world) == before
    assert {world.verdict(token) for token in tokens.values()} == {"Valid"}
    world.create(api_key("ci", "alice"))
    assert world.verdict(world.issue("ci")["ci"]) == "Valid"


def _behind(proxy: Proxy, world: World, folder: Path) -> OperatorProcess:
    kubeconfig = proxy.kubeconfig(folder / "proxy.kubeconfig")
    return OperatorProcess(kubeconfig, folder / "operator.log", "--namespace", world.api.namespace)


def _stored(world: World, *kinds: str) -> dict[str, Body]:
    """Give all objects of these kinds, or of all kinds that Tenure writes, by uid."""
    kinds = kinds or ("organizations", "memberships", "apikeys", "secrets")
    return {body["metadata"]["uid"]: body for kind in kinds for body in world.api.list(kind)}


def _wait_for_another_second(body: Body | None) -> None:
    """Wait until what is created next is younger: creation times are whole seconds."""
    assert body is not None
    created = datetime.fromisoformat(body["metadata"]["creationTimestamp"])
    eventually(lambda: (datetime.now(UTC) - created).total_seconds() > 1, describe="another second")
