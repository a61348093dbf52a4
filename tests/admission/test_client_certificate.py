"""With a client authority, the webhook answers the API server that presents its certificate, and nobody else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
import yaml

from support.api.client import fresh_namespace
from support.api.review import Door, review
from support.cluster.world import World
from support.objects import manifests
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.paths import CHECKOUT, CRDS

PAGE = CHECKOUT / "docs" / "howto" / "authenticate-the-api-server.md"
FOLDER = "/etc/kubernetes/tenure"


def _blocks(kind: str) -> str:
    """The YAML of the page that has an object of a kind."""
    (found,) = [text.split("```")[0] for text in PAGE.read_text().split("```yaml\n") if f"kind: {kind}\n" in text]
    return found


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def plane(tmp_path: Path, port: int) -> Iterator[ControlPlane]:
    """Give a control plane whose API server is configured as the page says, but for names of files and of the host."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    leaf = authority.issue_cert("kube-apiserver")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "apiserver.crt")
    leaf.private_key_pem.write_to_path(tmp_path / "apiserver.key")
    for name, kind in (("admission.yaml", "AdmissionConfiguration"), ("webhooks.yaml", "Config")):
        text = (
            _blocks(kind)
            .replace(FOLDER, str(tmp_path))
            .replace("tenure-webhook.tenure-system.svc", f"127.0.0.1:{port}")
        )
        assert yaml.safe_load(text)
        (tmp_path / name).write_text(text)
    flags = (f"--admission-control-config-file={tmp_path / 'admission.yaml'}",)
    with ControlPlane.start(find_or_build(), tmp_path / "plane", crds=CRDS, apiserver_args=flags) as plane:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": webhooks.NAMESPACE}}
        for body in (namespace, webhooks.configuration(port)):
            plane.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(body))
        yield plane


def test_only_the_api_server_is_heard(plane: ControlPlane, port: int, tmp_path: Path) -> None:
    authority = f"--client-ca-file={tmp_path / 'ca.crt'}"
    with (
        WebhookProcess(plane.kubeconfig, tmp_path / "webhook.log", port, authority) as webhook,
        fresh_namespace(plane) as client,
    ):
        eventually(
            lambda: World(client).create(manifests.organization()), within=30, describe="the API server is let in"
        )
        assert webhook.ask("readyz")[0] == 200
        reply = Door(plane, port).post(review(client.namespace))
        assert (reply.status, b"client certificate" in reply.body) == (403, True)
