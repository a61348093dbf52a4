"""The webhooks with cert-manager's way on a real node: the certificate in a Secret, the authority in the configuration.

A test does what cert-manager does. Its kinds are there, and nobody serves them.
"""

import base64
import json
from collections.abc import Iterator

import pytest
import trustme

from support.cluster.node import NodeCluster
from support.cluster.samples import Acme
from support.run.eventually import eventually
from tenure_dev.chart import NAMESPACE

SECRET = "tenure-webhook-certificate"
NAMES = (f"tenure-webhook.{NAMESPACE}.svc", f"tenure-webhook.{NAMESPACE}.svc.cluster.local")


def kind(singular: str, plural: str) -> dict[str, object]:
    """A kind of cert-manager's that takes everything."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.cert-manager.io"},
        "spec": {
            "group": "cert-manager.io",
            "scope": "Namespaced",
            "names": {"kind": singular, "plural": plural},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


PLURALS = ("certificates", "issuers")
KINDS = json.dumps(
    {"apiVersion": "v1", "kind": "List", "items": [kind("Certificate", "certificates"), kind("Issuer", "issuers")]}
)


@pytest.fixture
def managed(node: NodeCluster) -> Iterator[NodeCluster]:
    """Give the node with the chart on it, for which cert-manager would issue the certificate."""
    node.kubectl("apply", "--filename=-", input=KINDS)
    node.kubectl(
        "wait", "--for=condition=Established", "crds", "certificates.cert-manager.io", "issuers.cert-manager.io"
    )
    node.create_namespace()
    node.helm("install", "tenure", str(node.chart), "--set=certificates.mode=certManager")
    yield node
    node.remove_tenure()
    node.kubectl("delete", "--filename=-", input=KINDS)


def deliver(node: NodeCluster, authority: trustme.CA) -> None:
    """Write the Secret of a certificate that an authority issued."""
    leaf = authority.issue_cert(*NAMES)
    data = {"tls.crt": leaf.cert_chain_pems[0].bytes(), "tls.key": leaf.private_key_pem.bytes()}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": SECRET, "namespace": NAMESPACE},
        "data": {name: base64.b64encode(content).decode() for name, content in data.items()},
    }
    node.kubectl("apply", "--filename=-", input=json.dumps(secret))


def trust(node: NodeCluster, *authorities: trustme.CA) -> None:
    """Write the authorities into the configuration, as the CA injector does."""
    bundle = base64.b64encode(b"".join(each.cert_pem.bytes() for each in authorities)).decode()
    webhooks = node.json("validatingwebhookconfiguration", "tenure")["webhooks"]
    patch = [
        {"op": "add", "path": f"/webhooks/{number}/clientConfig/caBundle", "value": bundle}
        for number in range(len(webhooks))
    ]
    node.kubectl("patch", "validatingwebhookconfiguration", "tenure", "--type=json", f"--patch={json.dumps(patch)}")


def test_a_renewed_certificate_is_served_and_trusted(managed: NodeCluster) -> None:
    first, second = trustme.CA(), trustme.CA()
    deliver(managed, first)
    trust(managed, first)
    managed.wait_ready()
    with Acme.applied(managed) as acme:
        assert "would revoke" in acme.change_role("alice", "Viewer").stderr

        trust(managed, first, second)
        deliver(managed, second)
        trust(managed, second)

        # The kubelet brings the files, and the webhook looks at them every ten seconds.
        eventually(
            lambda: "would revoke" in acme.change_role("alice", "Viewer").stderr,
            within=90,
            every=1,
            describe="the new certificate is served",
        )
        assert managed.restarts() == 0
