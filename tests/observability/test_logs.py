"""Log lines in JSON say what they are about: object, generation, request; and hold no secret."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.api.api import ApiRefusedError
from support.cases.runbooks import audited
from support.cluster.world import World, fresh_world
from support.objects import manifests
from support.programs.operator_process import OperatorProcess
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS

JSON = "--log-format=json"
CANARY = "canary-4711"

Line = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def plane(folder: Path) -> Iterator[ControlPlane]:
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS) as plane:
        yield plane


@pytest.fixture(scope="module")
def webhook(plane: ControlPlane, folder: Path) -> Iterator[WebhookProcess]:
    port = webhooks.install(plane)
    with WebhookProcess(plane.kubeconfig, folder / "webhook.log", port, JSON) as webhook:
        yield webhook


@pytest.fixture(scope="module")
def operator(plane: ControlPlane, webhook: WebhookProcess, folder: Path) -> Iterator[OperatorProcess]:
    assert webhook.running
    log = folder / "operator.log"
    with OperatorProcess(plane.kubeconfig, log, "--no-webhooks", JSON, "--log-level=debug") as operator:
        yield operator


@pytest.fixture
def world(plane: ControlPlane, operator: OperatorProcess) -> Iterator[World]:
    assert operator.running
    with fresh_world(plane) as world:
        yield world


def lines_of(process: OperatorProcess) -> list[Line]:
    return [json.loads(line) for line in process.log.splitlines()]


def judged(webhook: WebhookProcess, namespace: str) -> list[Line]:
    """The one line of each request in a namespace."""
    return [
        line for line in lines_of(webhook) if "verdict" in line and line.get("object", {}).get("namespace") == namespace
    ]


def test_each_judged_request_has_one_line_that_says_all_but_the_object(world: World, webhook: WebhookProcess) -> None:
    owner = manifests.marked(manifests.member("olga", "Owner"), annotations={"example.com/note": CANARY})
    stored = world.create(manifests.organization(), owner)[1]
    with pytest.raises(ApiRefusedError):
        world.api.delete("memberships", "olga", dryRun=["All"])
    with pytest.raises(ApiRefusedError):
        world.api.delete("memberships", "olga")
    eventually(lambda: len(judged(webhook, world.api.namespace)) >= 4, within=10, describe="all are logged")

    said = judged(webhook, world.api.namespace)
    seen = [(one["operation"], one["object"]["kind"], one["verdict"], one["dry_run"]) for one in said]
    # A write conflict with the operator's own status makes the API server ask once more.
    assert list(dict.fromkeys(seen)) == [
        ("CREATE", "Organization", "allowed", False),
        ("CREATE", "Membership", "allowed", False),
        ("DELETE", "Membership", "refused", True),
        ("DELETE", "Membership", "refused", False),
    ]
    last = said[-1]
    assert last["object"] == {
        "kind": "Membership",
        "namespace": world.api.namespace,
        "name": "olga",
        "uid": stored["metadata"]["uid"],
    }
    assert last["generation"] == 1
    assert last["user"]
    assert len(last["request_id"]) == 36
    assert len({one["request_id"] for one in said}) == len(said)
    assert 0 < last["duration_seconds"] < 5
    assert "is the only Owner" in last["message"]
    assert CANARY not in webhook.log


def test_the_audit_log_has_the_request_that_a_line_is_about(
    plane: ControlPlane, world: World, webhook: WebhookProcess
) -> None:
    world.create(manifests.organization(), manifests.member("olga", "Owner"))
    with pytest.raises(ApiRefusedError):
        world.api.delete("memberships", "olga")

    def refused() -> list[Line]:
        return [line for line in judged(webhook, world.api.namespace) if line["verdict"] == "refused"]

    eventually(refused, within=10, describe="it is logged")
    found = audited(plane, "TenureDeleteRefused", REQUEST_ID=refused()[0]["request_id"])
    (event,) = (event for event in found if event["stage"] == "ResponseComplete")
    assert (event["verb"], event["objectRef"]["name"]) == ("delete", "olga")
    assert event["annotations"]["memberships.tenure.dev/request-id"] == refused()[0]["request_id"]


def test_lines_of_a_reconciliation_name_the_object_and_its_generation(world: World, operator: OperatorProcess) -> None:
    world.create(manifests.organization(), manifests.member("alice"), manifests.api_key("laptop", "alice"))
    token = world.issue("laptop", within=30)["laptop"]
    namespace = world.api.namespace

    def lines() -> list[Line]:
        return [line for line in lines_of(operator) if line.get("object", {}).get("namespace") == namespace]

    def issued() -> list[Line]:
        return [line for line in lines() if "issued" in line["message"]]

    eventually(issued, within=10, describe="it is logged")
    (line,) = issued()
    assert line["object"] == {"kind": "ApiKey", "namespace": namespace, "name": "laptop"}
    assert line["generation"] == 1
    assert {"time", "level", "logger"} <= line.keys()
    assert token.key_id in line["message"]
    assert token.reveal() not in operator.log

    world.change_role("alice", "Viewer")
    world.wait_role_change("alice", 2, within=30)

    def changed() -> list[Line]:
        of_member = [line for line in lines() if line["object"]["kind"] == "Membership"]
        return [line for line in of_member if line["generation"] == 2]

    eventually(changed, within=10, describe="the change is logged with its generation")


def test_every_line_is_json(operator: OperatorProcess, webhook: WebhookProcess) -> None:
    assert all(isinstance(line, dict) for process in (operator, webhook) for line in lines_of(process))


def test_each_occurrence_is_one_event_of_the_modern_api_and_a_restart_tells_none_anew(
    world: World, operator: OperatorProcess
) -> None:
    """That a crash between the Event and the record makes no second one is shown by `tests/e2e/test_crash.py`."""
    world.create(manifests.organization(), manifests.member("alice"), manifests.api_key("laptop", "alice"))
    world.issue("laptop", within=30)
    world.change_role("alice", "Viewer")
    world.wait_gone("apikeys", "laptop", within=30)
    eventually(lambda: len(world.events("RoleChanged")) == 2, within=10, describe="member and organization are told")
    before = {event["metadata"]["uid"] for event in world.events("RoleChanged")}

    operator.kill()
    operator.start()
    world.change_role("alice", "Analyst")
    world.wait_role_change("alice", 3, within=30)
    eventually(lambda: len(world.events("RoleChanged")) == 4, within=10, describe="the next change is told")
    events = world.events("RoleChanged")
    assert before < {event["metadata"]["uid"] for event in events}
    for event in events:
        assert event["eventTime"]  # Only the modern API has it.
        assert event["reportingController"] == "tenure.dev/controller"
        assert event["action"] == "Reconcile"
        assert "deprecatedCount" not in event
        assert event["regarding"]["namespace"] == world.api.namespace
