"""A repository of manifests in memory: what Git holds of an organization."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from support.cluster.world import PLURALS
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT

Body = dict[str, Any]
Address = tuple[str, str]
"""Kind and name."""

KINDS = ("Organization", "Membership", "ApiKey")
KEYS = ("bob-cli", "ci-deploy", "cost-report", "laptop", "olga-admin", "pipeline")
"""The names of the samples' keys."""

ORDERS = ("as written", "reversed", "shuffled 1", "shuffled 2", "shuffled 3", "shuffled 4")


def samples(namespace: str) -> dict[Address, Body]:
    """The samples, in another namespace and without their own."""
    texts = [path.read_text() for path in sorted((CHECKOUT / "manifests" / "samples").glob("*.yaml"))]
    found = [body for text in texts for body in yaml.safe_load_all(text) if body["kind"] != "Namespace"]
    for body in found:
        body["metadata"]["namespace"] = namespace
    return {(body["kind"], body["metadata"]["name"]): body for body in found}


def ordered(addresses: Iterable[Address], order: str) -> list[Address]:
    """The addresses in one of `ORDERS`; the number of a shuffled one is its seed."""
    found = list(addresses)
    if order == "reversed":
        found.reverse()
    elif order != "as written":
        random.Random(order).shuffle(found)
    return found


@dataclass
class Repository:
    """What Git holds of an organization, and the namespace that it is meant for."""

    plane: ControlPlane
    namespace: str
    files: dict[Address, Body] = field(default_factory=dict)

    def member(self, name: str) -> Body:
        """The manifest of a Membership, to be changed."""
        return self.files["Membership", name]

    def key(self, name: str) -> Body:
        """The manifest of an ApiKey, to be changed."""
        return self.files["ApiKey", name]

    def remove(self, *addresses: Address) -> None:
        """Remove files."""
        for address in addresses:
            del self.files[address]

    def live(self) -> dict[Address, Body]:
        """What the cluster holds."""
        plurals = ",".join(PLURALS[kind] for kind in KINDS)
        output = self.plane.kubectl("get", plurals, f"--namespace={self.namespace}", "--output=json").stdout
        return {(body["kind"], body["metadata"]["name"]): body for body in json.loads(output)["items"]}

    def versions(self) -> dict[Address, str]:
        """The version of each object that the cluster holds."""
        return {address: body["metadata"]["resourceVersion"] for address, body in self.live().items()}
