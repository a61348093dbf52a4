"""The organization of manifests/samples on a real node."""

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from support.cluster.node import NodeCluster, Pod
from tenure_dev.paths import CHECKOUT

SAMPLES = CHECKOUT / "manifests" / "samples"
AUTHORIZE = "http://tenure-verifier.tenure-system.svc.cluster.local/v1/authorize"


@dataclass(frozen=True)
class Acme:
    """The organization acme, and a pod that asks the verifier."""

    node: NodeCluster
    client: Pod

    @classmethod
    @contextmanager
    def applied(cls, node: NodeCluster) -> Iterator[Self]:
        """Apply the samples and wait for their keys; delete everything afterwards."""
        node.kubectl("apply", f"--filename={SAMPLES}")
        node.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "apikeys", "--all", "--namespace=acme")
        node.kubectl("create", "namespace", "consumers")
        yield cls(node, node.run_pod("consumers", "client"))
        node.kubectl("delete", "namespace", "acme", "consumers")

    def token(self, key: str) -> str:
        """Return a key's token from its Secret."""
        return base64.b64decode(self.node.json("secret", key, "--namespace=acme")["data"]["token"]).decode()

    def verdict(self, token: str) -> int:
        """Ask the verifier, through its Service's name, and return the code of its answer."""
        return self.client.ask(AUTHORIZE, authorization=f"Bearer {token}").status

    def change_role(self, member: str, role: str, acknowledgement: str = "") -> subprocess.CompletedProcess[str]:
        """Change a role, with an acknowledgement or without."""
        annotation = f'"metadata":{{"annotations":{{"tenure.dev/acknowledge-key-deletion":"{acknowledgement}"}}}},'
        patch = f'{{{annotation if acknowledgement else ""}"spec":{{"role":"{role}"}}}}'
        arguments = ["patch", "membership", member, "--namespace=acme", "--type=merge", f"--patch={patch}"]
        return self.node.kubectl(*arguments, check=False)
