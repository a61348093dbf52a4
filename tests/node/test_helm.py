"""The chart on a real node, from nothing, as docs/install.md says."""

import pytest

from support.cluster.node import COMPONENTS, NodeCluster
from support.cluster.samples import Acme
from support.run.eventually import eventually

pytestmark = pytest.mark.short


def test_it_is_installed_and_every_pod_stays_up(installed: NodeCluster) -> None:
    pods = {each: installed.pods(each) for each in COMPONENTS}

    assert {each: len(found) for each, found in pods.items()} == dict.fromkeys(COMPONENTS, 2)
    assert installed.restarts() == 0


def test_helm_test_succeeds(installed: NodeCluster) -> None:
    assert "Phase:          Succeeded" in installed.helm("test", "tenure", "--timeout=2m")


def test_a_pod_that_is_not_restricted_is_refused(installed: NodeCluster) -> None:
    """Otherwise the pods above would say nothing about Pod Security."""
    arguments = ["run", "shell", "--image=busybox", "--namespace=tenure-system"]
    assert "violates PodSecurity" in installed.kubectl(*arguments, check=False).stderr


def test_the_verifier_answers_at_its_service(acme: Acme) -> None:
    assert acme.verdict(acme.token("ci-deploy")) == 200
    assert acme.verdict("tnr_unknown") == 401


def test_a_role_change_is_refused_until_it_is_acknowledged(acme: Acme) -> None:
    token = acme.token("ci-deploy")

    refused = acme.change_role("alice", "Viewer")
    assert "would revoke 2 API keys of alice@acme.io" in refused.stderr
    assert acme.verdict(token) == 200

    assert acme.change_role("alice", "Viewer", "Viewer: ci-deploy, laptop").returncode == 0
    eventually(lambda: acme.verdict(token) == 401, within=10, describe="the old token is rejected")
    gone = ("secret", "ci-deploy", "laptop", "--namespace=acme", "--ignore-not-found")
    eventually(lambda: not acme.node.kubectl("get", *gone).stdout, within=30, describe="the Secrets are deleted")


def test_an_upgrade_keeps_the_keys(acme: Acme) -> None:
    node, token = acme.node, acme.token("pipeline")
    before = {pod["metadata"]["name"] for each in COMPONENTS for pod in node.pods(each)}

    changed = [f"--set-string={each}.podAnnotations.round=2" for each in COMPONENTS]
    node.helm("upgrade", "tenure", str(node.chart), "--reset-then-reuse-values", *changed, "--wait", "--timeout=4m")

    after = {pod["metadata"]["name"] for each in COMPONENTS for pod in node.pods(each)}
    assert not before & after
    assert acme.verdict(token) == 200
    assert acme.token("pipeline") == token
    assert "would revoke" in acme.change_role("anna", "Viewer").stderr
