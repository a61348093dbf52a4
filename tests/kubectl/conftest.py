"""Acme with the samples' members and keys, on the control plane on which every change is judged."""

from collections.abc import Iterator

import pytest

from support.cluster.world import World, fresh_world
from support.programs.judged import Judged
from support.programs.kubectl_tenure import PATIENCE, Person, person, settle
from tenure_dev.paths import CHECKOUT

SAMPLES = CHECKOUT / "manifests" / "samples"
MEMBERS = {"alice": 2, "anna": 1, "bob": 1, "ci": 1, "olga": 1}
KEYS = ("olga-admin", "ci-deploy", "laptop", "cost-report", "bob-cli", "pipeline")


@pytest.fixture(scope="module")
def acme(judged: Judged) -> Iterator[World]:
    """Give the organization of the samples, once for a module, and bind its members to the roles' ClusterRoles."""
    with fresh_world(judged.plane) as world:
        for file in ("10-organization.yaml", "20-members.yaml", "30-keys.yaml"):
            text = (SAMPLES / file).read_text().replace("namespace: acme", f"namespace: {world.api.namespace}")
            judged.plane.kubectl("create", "--filename=-", input=text)
        world.issue(*KEYS, within=PATIENCE)
        for name, keys in MEMBERS.items():
            settle(world, name, keys)
        yield world


@pytest.fixture(scope="module")
def root(judged: Judged, acme: World, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Give an administrator."""
    return person(judged.plane, acme.api.namespace, tmp_path_factory.mktemp("root"))
