"""Pods that go away: the leader's, those of a drained node, and all of the webhook's."""

import json

from support.cluster.node import COMPONENTS, is_ready
from support.cluster.samples import Acme
from support.run.eventually import eventually
from tenure_dev.chart import NAMESPACE
from tenure_dev.node.layout import NAME

IN_TENURE = f"--namespace={NAMESPACE}"


def test_another_replica_leads_when_the_leaders_pod_is_deleted(acme: Acme) -> None:
    node = acme.node
    before = eventually(node.leader, within=30, describe="a leader")

    node.kubectl("delete", "pod", before, IN_TENURE)

    eventually(lambda: node.leader() not in {"", before}, within=60, describe="another leader")
    issue(acme, "after-the-leader")
    node.wait_ready("controller")


def test_a_drain_leaves_one_pod_of_each_component(acme: Acme) -> None:
    """There is one node, so the new pods wait, and the budgets stop the drain at the last ones."""
    node = acme.node
    options = ["--ignore-daemonsets", "--force", "--pod-selector=app.kubernetes.io/name=tenure", "--timeout=20s"]
    try:
        drained = node.kubectl("drain", NAME, *options, check=False)

        assert "Cannot evict pod as it would violate the pod's disruption budget" in drained.stderr
        running = {each: sum(is_ready(pod) for pod in node.pods(each)) for each in COMPONENTS}
        assert running == dict.fromkeys(COMPONENTS, 1)
        issue(acme, "in-the-drain")
        assert "would revoke" in acme.change_role("alice", "Viewer").stderr
        assert acme.verdict(acme.token("in-the-drain")) == 200
    finally:
        node.kubectl("uncordon", NAME)
    node.wait_ready()


def test_without_a_webhook_changes_are_refused_and_keys_can_be_revoked(acme: Acme) -> None:
    node = acme.node
    revoker = "revoker@acme.io"
    token = acme.token("bob-cli")
    verbs = ["--verb=get,delete,revoke", "--resource=apikeys.tenure.dev"]
    node.kubectl("create", "role", "revokes", "--namespace=acme", *verbs)
    node.kubectl("create", "rolebinding", "revokes", "--namespace=acme", "--role=revokes", f"--user={revoker}")
    node.kubectl("scale", "deployment/tenure-webhook", IN_TENURE, "--replicas=0")
    selector = "--selector=app.kubernetes.io/component=webhook"
    eventually(lambda: not node.json("pods", selector, IN_TENURE)["items"], within=90, describe="no webhook runs")
    try:
        refused = acme.change_role("alice", "Viewer", "Viewer: all")
        assert "failed calling webhook" in refused.stderr
        node.kubectl("delete", "apikey", "bob-cli", "--namespace=acme", as_user=revoker)
        eventually(lambda: acme.verdict(token) == 401, within=20, describe="the key is revoked")
    finally:
        node.kubectl("scale", "deployment/tenure-webhook", IN_TENURE, "--replicas=2")
    node.wait_ready("webhook")
    eventually(lambda: "would revoke" in acme.change_role("alice", "Viewer").stderr, within=30, describe="it judges")


def issue(acme: Acme, name: str) -> None:
    """Create a key of the pipeline's, and wait until it is issued."""
    key = {
        "apiVersion": "tenure.dev/v1alpha1",
        "kind": "ApiKey",
        "metadata": {"name": name, "namespace": "acme"},
        "spec": {"membership": "ci", "access": "View"},
    }
    acme.node.kubectl("apply", "--filename=-", input=json.dumps(key))
    acme.node.kubectl("wait", "--for=condition=Ready", f"apikey/{name}", "--namespace=acme", "--timeout=60s")
