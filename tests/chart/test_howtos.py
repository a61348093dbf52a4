"""What the how-tos tell people to apply and to run is applied and run."""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.api.api import Api
from support.cluster.identity import CONTROLLER, WEBHOOK, config_of
from support.cluster.world import World
from support.programs.operator_process import OperatorProcess
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.chart import render
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT, CRDS

Body = dict[str, Any]

HOWTOS = CHECKOUT / "docs" / "howto"
SAMPLES = CHECKOUT / "manifests" / "samples"
_BLOCK = re.compile(r"^ *```(?P<language>\w+)\n(?P<text>.*?)^ *```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane with Tenure, the policy for its Secrets and the samples on it."""
    folder = tmp_path_factory.mktemp("howtos")
    with ControlPlane.start(find_or_build(), folder, crds=CRDS) as plane:
        port = webhooks.install(plane)
        webhook = WebhookProcess(config_of(plane, WEBHOOK), folder / "webhook.log", port)
        operator = OperatorProcess(config_of(plane, CONTROLLER), folder / "operator.log", "--no-webhooks")
        with webhook, operator:
            plane.kubectl("apply", "--filename=-", input=render("--show-only=templates/secretpolicy.yaml"))
            plane.kubectl("apply", "--filename", str(SAMPLES))
            yield plane


@pytest.fixture
def world(plane: ControlPlane) -> Iterator[World]:
    api = Api(plane, "acme")
    yield World(api)
    api.close()


def blocks(page: str, language: str) -> list[str]:
    found = _BLOCK.finditer((HOWTOS / page).read_text())
    return [textwrap.dedent(block["text"]) for block in found if block["language"] == language]


def bodies(page: str) -> list[Body]:
    """Return the manifests of a page that belong to Kubernetes or Tenure; other operators' kinds aren't served here."""
    found = [body for text in blocks(page, "yaml") for body in yaml.safe_load_all(text)]
    return [body for body in found if "kind" in body and "external-secrets" not in body["apiVersion"]]


def run(plane: ControlPlane, line: str, *, errors: bool = False) -> str:
    """Run a line of a page, which begins with kubectl. Return its output, or its errors with the warnings."""
    words = re.findall(r"(?:'[^']*'|[^\s'])+", line.split("#", maxsplit=1)[0])
    assert words[0] == "kubectl"
    result = plane.kubectl(*(word.replace("'", "") for word in words[1:]))
    return result.stderr if errors else result.stdout


def apply(plane: ControlPlane, page: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "List", "items": bodies(page)}
    plane.kubectl("apply", "--filename=-", input=json.dumps(manifest))


def test_a_service_account_gets_its_key(plane: ControlPlane, world: World) -> None:
    world.api.delete("apikeys", "pipeline")
    world.wait_gone("apikeys", "pipeline")
    apply(plane, "service-account.md")
    assert world.issue("pipeline", within=30)


def test_another_namespace_reads_one_secret_and_no_other(plane: ControlPlane, world: World) -> None:
    world.issue("pipeline", "laptop", within=30)
    apply(plane, "other-namespace.md")
    reader = "system:serviceaccount:acme:reads-pipeline"
    for verb, name, answer in (("get", "pipeline", "yes"), ("get", "laptop", "no"), ("list", "", "no")):
        target = f"secrets/{name}" if name else "secrets"
        result = plane.kubectl("auth", "can-i", verb, target, "-n=acme", f"--as={reader}", check=False)
        assert result.stdout.strip() == answer, (verb, name)


def test_a_leaked_token_is_replaced(plane: ControlPlane, world: World) -> None:
    old = world.issue("ci-deploy", within=30)["ci-deploy"]
    (command, *_) = blocks("a-key-leaked.md", "console")
    run(plane, command.strip())
    world.wait_new_token("ci-deploy", old, within=30)
    assert world.verdict(old) != "Valid"


def test_a_key_is_rotated_and_both_tokens_work(plane: ControlPlane, world: World) -> None:
    old = world.issue("ci-deploy", within=30)["ci-deploy"]
    (command, *_) = blocks("rotate-a-key.md", "console")
    run(plane, command.strip())
    new = world.wait_new_token("ci-deploy", old, within=30)
    assert {world.verdict(token) for token in (old, new)} == {"Valid"}
    assert world.key("ci-deploy")["status"]["previous"]["keyId"] == old.key_id
    apply(plane, "rotate-a-key.md")
    key = eventually(lambda: _if_issued(world, "nightly"), within=30, describe="the page's key is issued")
    assert key is not None
    assert "rotatesAt" in key["status"]


def _if_issued(world: World, name: str) -> Body | None:
    return world.key(name) if world.reason("apikeys", name) == "Issued" else None


def test_somebody_is_locked_out_and_let_in_again(plane: ControlPlane, world: World) -> None:
    token = world.issue("laptop", within=30)["laptop"]
    command, by_hand, one_more = blocks("lock-somebody-out.md", "console")
    run(plane, command.strip())
    run(plane, by_hand.strip())
    assert world.verdict(token) == "Suspended"
    rules = _suspend(world)
    assert world.verdict(token) == "Valid"
    _suspend(world, "bob")
    run(plane, one_more.strip())
    assert world.verdict(token) == "Suspended"
    spec = json.loads(plane.kubectl("get", "organization", "acme", "-n=acme", "-o=json").stdout)["spec"]
    assert [entry["name"] for entry in spec.pop("suspendedMembers")] == ["bob", "alice"]
    assert spec == rules
    _suspend(world)


def _suspend(world: World, *names: str) -> Body:
    """Suspend these members and no others. Return the organization's spec."""
    entries = [{"name": name} for name in names]
    spec: Body = world.api.patch("organizations", "acme", {"spec": {"suspendedMembers": entries or None}})["spec"]
    return spec


def test_the_acknowledgement_of_the_page_is_taken(world: World) -> None:
    world.issue("laptop", "ci-deploy", within=30)
    (block,) = [yaml.safe_load(text) for text in blocks("change-a-role.md", "yaml")]
    world.change_role("alice", "Viewer", annotations=block["metadata"]["annotations"])


def test_a_key_is_given_to_a_service_account(plane: ControlPlane, world: World) -> None:
    renew(plane, world, "ci-deploy")
    old = world.issue("ci-deploy", within=30)["ci-deploy"]
    apply(plane, "give-keys-to-a-service-account.md")
    hand_over, revoke = blocks("give-keys-to-a-service-account.md", "console")
    assert "stays valid for 1 h" in run(plane, hand_over.strip(), errors=True)
    new = world.wait_new_token("ci-deploy", old, within=30)
    assert {world.verdict(token) for token in (old, new)} == {"Valid"}
    assert world.key("ci-deploy")["status"]["issued"]["membership"] == "deployer"
    run(plane, revoke.strip())
    newest = world.wait_new_token("ci-deploy", new, within=30)
    assert [world.verdict(token) == "Valid" for token in (old, new, newest)] == [False, False, True]


def test_a_role_is_changed_without_an_outage(plane: ControlPlane, world: World) -> None:
    renew(plane, world, "ci-deploy", "laptop")
    old = world.issue("ci-deploy", "laptop", within=30)["ci-deploy"]
    review, replace, wait, change = blocks("change-a-role-without-an-outage.md", "console")
    assert "ci-deploy" in run(plane, review.strip())
    run(plane, replace.strip())
    new = world.wait_new_token("ci-deploy", old, within=30)
    assert world.verdict(old) == "Valid"
    run(plane, wait.strip())
    run(plane, change.strip())
    assert world.verdict(old) != "Valid"
    assert world.verdict(new) == "Valid"
    assert world.token("ci-deploy") == new


def renew(plane: ControlPlane, world: World, *keys: str) -> None:
    """Have alice as the samples do, and these keys of hers."""
    for name in keys:
        plane.kubectl("delete", "apikey", name, "-n=acme", "--ignore-not-found")
        world.wait_gone("apikeys", name, within=30)
    plane.kubectl("delete", "membership", "alice", "-n=acme", "--ignore-not-found")
    world.wait_gone("memberships", "alice", within=30)
    # Of the other keys, one was replaced by a page's, with a field that can't be changed back.
    plane.kubectl("apply", "--filename", str(SAMPLES), check=False)


def test_somebody_leaves(world: World) -> None:
    token = world.issue("bob-cli", within=30)["bob-cli"]
    world.api.delete("memberships", "bob")
    assert world.verdict(token) != "Valid"
    world.wait_gone("secrets", "bob-cli", within=30)


def test_nothing_is_left_after_the_page_on_uninstalling(plane: ControlPlane, world: World) -> None:
    (block,) = blocks("uninstall.md", "console")
    for line in block.strip().splitlines():
        # A release is uninstalled in test_chart.py. Here, what it would take along stays: it must block nothing.
        if not line.startswith("helm"):
            run(plane, line)
    eventually(lambda: world.api.list("secrets") == [], within=30, describe="the Secrets of all keys are gone")
    assert plane.kubectl("get", "crds,validatingwebhookconfigurations", "-o=name").stdout == ""
    left = plane.kubectl("get", "namespace", "tenure-system", "--ignore-not-found", "-o=name").stdout
    assert left == ""


def test_links_lead_somewhere() -> None:
    pages = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
    broken = [
        (page.name, link)
        for page in pages
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert broken == []
    assert Path(HOWTOS).is_dir()
