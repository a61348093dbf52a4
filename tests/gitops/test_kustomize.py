"""Kustomize renames references to organizations and members, with the file that Tenure ships."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenure_dev.build import find_or_build
from tenure_dev.paths import CHECKOUT

REFERENCES = CHECKOUT / "manifests" / "kustomize" / "references.yaml"
SAMPLES = CHECKOUT / "manifests" / "samples"

Body = dict[str, Any]


def build(folder: Path, *, configured: bool) -> list[Body]:
    """Build an overlay of the samples with a prefix and a suffix."""
    base = folder / "base"
    shutil.copytree(SAMPLES, base)
    acme = yaml.safe_load((base / "10-organization.yaml").read_text())
    acme["spec"]["suspendedMembers"] = [{"name": "bob"}]
    (base / "10-organization.yaml").write_text(yaml.safe_dump(acme))
    write(base, {"resources": sorted(path.name for path in SAMPLES.glob("*.yaml"))})
    overlay: Body = {"resources": ["../base"], "namePrefix": "dev-", "nameSuffix": "-eu", "namespace": "dev-acme"}
    if configured:
        overlay["configurations"] = [REFERENCES.name]
    write(folder / "overlay", overlay)
    shutil.copy(REFERENCES, folder / "overlay")
    done = subprocess.run(
        [find_or_build().kubectl, "kustomize", folder / "overlay"], capture_output=True, text=True, check=True
    )
    return [body for body in yaml.safe_load_all(done.stdout) if body["apiVersion"].startswith("tenure.dev/")]


def write(folder: Path, content: Body) -> None:
    folder.mkdir(exist_ok=True)
    body = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **content}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(body))


def missing(bodies: list[Body]) -> set[str]:
    """Return the references to objects that aren't there."""
    names = {(body["kind"], body["metadata"]["name"]) for body in bodies}
    references = {("Organization", body["spec"]["organization"]) for body in bodies if body["kind"] == "Membership"}
    references |= {("Membership", body["spec"]["membership"]) for body in bodies if body["kind"] == "ApiKey"}
    references |= {
        ("Membership", member["name"])
        for body in bodies
        if body["kind"] == "Organization"
        for member in body["spec"].get("suspendedMembers", ())
    }
    return {f"{kind} {name}" for kind, name in references - names}


@pytest.mark.parametrize("configured", [True, False], ids=["configured", "not configured"])
def test_references_follow_a_prefix(tmp_path: Path, configured: bool) -> None:  # noqa: FBT001
    bodies = build(tmp_path, configured=configured)
    assert {body["metadata"]["name"].startswith("dev-") for body in bodies} == {True}
    assert bool(missing(bodies)) is not configured
