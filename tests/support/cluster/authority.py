"""The webhook's authority as a cluster has it: the Secret that holds it, and the API server's trust in it."""

import base64
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from cryptography import x509

from support.api.client import fresh_namespace
from support.objects import manifests
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.kube.names import AUTHORITIES_SECRET, WEBHOOK_CONFIGURATION
from tenure_dev.controlplane import ControlPlane
from tenure_dev.webhooks import NAMESPACE, install

CONFIGURATION = "validatingwebhookconfiguration"
HOST = "127.0.0.1"


@contextmanager
def registered(plane: ControlPlane) -> Iterator[int]:
    """Register the webhooks while the block runs, on a control plane that others use too; give the port for reviews."""
    yield install(plane)
    plane.kubectl("delete", CONFIGURATION, WEBHOOK_CONFIGURATION, "--ignore-not-found")
    plane.kubectl("delete", "secret", AUTHORITIES_SECRET, f"--namespace={NAMESPACE}", "--ignore-not-found")
    with fresh_namespace(plane) as client:
        passes = partial(client.create, "organizations", manifests.organization(), dryRun="All")
        eventually(passes, within=30, describe="nothing is judged any more")


def bundle(plane: ControlPlane) -> bytes:
    """The authorities that the API server trusts, which must be the same for each webhook."""
    body = json.loads(plane.kubectl("get", CONFIGURATION, WEBHOOK_CONFIGURATION, "--output=json").stdout)
    (encoded,) = {webhook["clientConfig"].get("caBundle", "") for webhook in body["webhooks"]}
    return base64.b64decode(encoded)


def bundle_managers(plane: ControlPlane) -> set[str]:
    """Who manages the caBundle of any webhook."""
    arguments = ("get", CONFIGURATION, WEBHOOK_CONFIGURATION, "--output=json", "--show-managed-fields")
    entries = json.loads(plane.kubectl(*arguments).stdout)["metadata"]["managedFields"]
    return {entry["manager"] for entry in entries if "f:caBundle" in json.dumps(entry["fieldsV1"])}


def trust(plane: ControlPlane, pem: bytes, manager: str = "cert-manager") -> None:
    """Have the API server trust these authorities."""
    names = [f"{plural}.tenure.dev" for plural in ("organizations", "memberships", "apikeys")]
    client = {"caBundle": base64.b64encode(pem).decode()}
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": WEBHOOK_CONFIGURATION},
        "webhooks": [{"name": name, "clientConfig": client} for name in names],
    }
    arguments = ("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "--filename=-")
    plane.kubectl(*arguments, input=json.dumps(body))


def secret(plane: ControlPlane) -> Mapping[str, bytes] | None:
    """What the authority's Secret holds; None: there is none."""
    arguments = ("get", "secret", AUTHORITIES_SECRET, f"--namespace={NAMESPACE}", "--ignore-not-found", "--output=json")
    output = plane.kubectl(*arguments).stdout
    if not output.strip():
        return None
    return {name: base64.b64decode(value) for name, value in json.loads(output)["data"].items()}


def put_secret(plane: ControlPlane, files: Mapping[str, bytes], verb: str = "replace") -> None:
    """Replace what the authority's Secret holds, or `create` it."""
    data = {name: base64.b64encode(text).decode() for name, text in files.items()}
    metadata = {"name": AUTHORITIES_SECRET, "namespace": NAMESPACE}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    plane.kubectl(verb, "--filename=-", input=json.dumps(body))


def served_by(port: int, trusted: bytes) -> x509.Certificate:
    """Return the certificate that a new connection gets; raises `ssl.SSLError` if it isn't trusted."""
    context = ssl.create_default_context(cadata=trusted.decode())
    with (
        socket.create_connection((HOST, port), timeout=NEVER) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as stream,
    ):
        certificate = stream.getpeercert(binary_form=True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate)


def wait_judged(plane: ControlPlane) -> None:
    """Wait until the API server asks the webhook and trusts its answer."""
    with fresh_namespace(plane) as client:
        organization = manifests.organization()
        eventually(lambda: client.create("organizations", organization), within=30, describe="a request is judged")
