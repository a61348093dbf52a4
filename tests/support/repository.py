"""A repository of manifests in memory, applied and pruned as GitOps tools do it."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from support.world import PLURALS
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT

Body = dict[str, Any]
Address = tuple[str, str]
"""Kind and name."""

_ROUNDS = 6


def samples(namespace: str) -> dict[Address, Body]:
    """The samples, in another namespace and without their own."""
    texts = [path.read_text() for path in sorted((CHECKOUT / "manifests" / "samples").glob("*.yaml"))]
    found = [body for text in texts for body in yaml.safe_load_all(text) if body["kind"] != "Namespace"]
    for body in found:
        body["metadata"]["namespace"] = namespace
    return {(body["kind"], body["metadata"]["name"]): body for body in found}


@dataclass
class Repository:
    """What Git holds, and the tool that brings it into the cluster."""

    plane: ControlPlane
    namespace: str
    files: dict[Address, Body] = field(default_factory=dict)

    def apply(self, *, server_side: bool, order: Sequence[Address] | None = None, check: bool = True) -> str:
        """Apply everything in an order, one object after the other, and return kubectl's output and errors."""
        mode = ["--server-side", "--field-manager=gitops"] if server_side else []
        output = ""
        for address in order or list(self.files):
            result = self.plane.kubectl(
                "apply", *mode, "--filename=-", input=json.dumps(self.files[address]), check=check
            )
            output += result.stdout + result.stderr
        return output

    def diff(self, *, server_side: bool) -> str:
        """What `kubectl diff` shows between Git and the cluster."""
        mode = ["--server-side", "--field-manager=gitops"] if server_side else []
        bodies = {"apiVersion": "v1", "kind": "List", "items": list(self.files.values())}
        return self.plane.kubectl("diff", *mode, "--filename=-", input=json.dumps(bodies), check=False).stdout

    def prune(self, addresses: Sequence[Address]) -> list[Address]:
        """Delete objects as a tool that retries does; what could not be deleted is returned."""
        left = list(addresses)
        for _ in range(_ROUNDS):
            left = [address for address in left if not self._delete(address)]
            if not left:
                break
        return left

    def _delete(self, address: Address) -> bool:
        kind, name = address
        target = (PLURALS[kind], name, f"--namespace={self.namespace}")
        result = self.plane.kubectl("delete", *target, "--ignore-not-found", "--timeout=20s", check=False)
        return result.returncode == 0


def shuffled(addresses: Mapping[Address, Body], seed: int) -> list[Address]:
    """The addresses in an order that the seed decides."""
    order = list(addresses)
    random.Random(seed).shuffle(order)
    return order
