"""Pods that use keys: a Secret as a volume and as a variable, and nginx in front of an application."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.cluster.node import Pod
from support.cluster.samples import Acme
from support.programs.gateways import VERIFIER_ADDRESS, nginx_command, nginx_configuration, nginx_program
from support.run.eventually import eventually

MOUNTED = "/key/token"
SYSTEM_FOLDERS = ("/etc/group", "/etc/nsswitch.conf", "/etc/passwd", "/lib", "/lib64", "/usr")
"""Those of this machine, for a program that isn't in an image."""


def consumer(acme: Acme, key: str) -> Pod:
    """Run a pod in the organization's namespace that has a key's token as a file and as a variable."""
    source = {"secretKeyRef": {"name": key, "key": "token"}}
    container = {
        "env": [{"name": "TOKEN", "valueFrom": source}],
        "volumeMounts": [{"name": "key", "mountPath": "/key", "readOnly": True}],
    }
    volumes = [{"name": "key", "secret": {"secretName": key}}]
    return acme.node.run_pod("acme", f"uses-{key}", {"container": container, "volumes": volumes})


@pytest.mark.parametrize(
    ("spec", "former"),
    [pytest.param({"rotation": {"request": 1}}, 200, id="rotation"), pytest.param({"revision": 2}, 401, id="revision")],
)
def test_a_new_token_reaches_the_volume_and_a_new_pods_variable(acme: Acme, spec: dict[str, Any], former: int) -> None:
    pod, before, secret = consumer(acme, "pipeline"), acme.token("pipeline"), secret_uid(acme, "pipeline")
    assert pod.read(MOUNTED) == before
    assert pod.variable("TOKEN") == before

    patch = f"--patch={json.dumps({'spec': spec})}"
    acme.node.kubectl("patch", "apikey", "pipeline", "--namespace=acme", "--type=merge", patch)

    eventually(lambda: pod.read(MOUNTED) not in {"", before}, within=90, describe="the volume has a new token")
    after = pod.read(MOUNTED)
    assert after == acme.token("pipeline")
    assert secret_uid(acme, "pipeline") == secret, "there is no moment without a Secret"
    assert (acme.verdict(before), acme.verdict(after)) == (former, 200)
    # Kubernetes never changes a variable of a container that runs.
    assert pod.variable("TOKEN") == before
    pod.delete()
    restarted = consumer(acme, "pipeline")
    assert restarted.variable("TOKEN") == after
    restarted.delete()


def secret_uid(acme: Acme, key: str) -> str:
    """Return the uid of a key's Secret."""
    return str(acme.node.json("secret", key, "--namespace=acme")["metadata"]["uid"])


@pytest.fixture
def gateway(acme: Acme, tmp_path: Path) -> str:
    """Run this machine's nginx in a pod, with the how-to's configuration, and return its address."""
    if nginx_program() is None:
        pytest.skip("nginx isn't installed: dev/install-nginx")
    verifier = f"{VERIFIER_ADDRESS}.svc.cluster.local:80"
    both, application = "[::]:8000 ipv6only=off", "127.0.0.1:9000"
    nginx_configuration(tmp_path, listen=both, verifier=verifier, application=application, more=APPLICATION)
    mounts = [*SYSTEM_FOLDERS, str(tmp_path)]
    existing = [path for path in mounts if Path(path).exists()]
    container = {
        "command": nginx_command(tmp_path),
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [{"name": f"m{number}", "mountPath": path} for number, path in enumerate(existing)],
    }
    volumes = [
        {"name": f"m{number}", "hostPath": {"path": os.path.realpath(path)}} for number, path in enumerate(existing)
    ]
    pod = acme.node.run_pod("consumers", "gateway", {"container": container, "volumes": volumes})
    address = acme.node.json("pod", pod.name, "--namespace=consumers")["status"]["podIP"]
    return f"[{address}]" if ":" in address else str(address)


APPLICATION = """
server {
    listen 127.0.0.1:9000;
    access_log off;
    location / {
        return 200 "$http_x_tenure_member $http_x_tenure_role";
    }
}
"""


def test_nginx_asks_the_verifier_at_its_service(acme: Acme, gateway: str) -> None:
    url, token = f"http://{gateway}:8000/", acme.token("olga-admin")

    eventually(lambda: acme.client.ask(url).status == 401, within=20, describe="nginx answers")
    passed = acme.client.ask(url, authorization=f"Bearer {token}", x_tenure_role="Viewer")
    assert (passed.status, passed.body.strip()) == (200, "olga Owner")
    assert acme.client.ask(url, authorization="Bearer tnr_unknown").status == 401
    assert acme.client.ask(url, authorization=f"Bearer {acme.token('cost-report')}").status == 403
