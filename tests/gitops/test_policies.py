"""The optional policy keeps a labelled namespace, and no other, on the real API server."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from support.programs.judged import Judged
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT

POLICY = CHECKOUT / "manifests" / "policies" / "protected-namespaces.yaml"
LABEL = "tenure.dev/protect"
NAME = "tenure-protected-namespaces"


@pytest.fixture(scope="module")
def plane(judged: Judged) -> Iterator[ControlPlane]:
    """Give a control plane on which the policy is in force."""
    plane = judged.plane
    plane.kubectl("apply", "--filename", str(POLICY))
    probe = create(plane, "true")
    eventually(lambda: delete(plane, probe, "--dry-run=server"), within=30, describe="the policy is in force")
    yield plane
    plane.kubectl("delete", "--filename", str(POLICY))


def create(plane: ControlPlane, label: str | None) -> str:
    name = f"test-{uuid4().hex[:10]}"
    plane.kubectl("create", "namespace", name)
    if label is not None:
        plane.kubectl("label", "namespace", name, f"{LABEL}={label}")
    return name


def delete(plane: ControlPlane, name: str, *args: str) -> str:
    """Delete a namespace, and return the words of a refusal."""
    result = plane.kubectl("delete", "namespace", name, "--wait=false", *args, check=False)
    return result.stderr if result.returncode else ""


def is_going(plane: ControlPlane, name: str) -> bool:
    output = plane.kubectl("get", "namespace", name, "--ignore-not-found", "--output=json").stdout
    return not output.strip() or "deletionTimestamp" in json.loads(output)["metadata"]


def test_a_labelled_namespace_stays_until_its_label_is_taken_away(plane: ControlPlane) -> None:
    name = create(plane, "true")
    refused = delete(plane, name)
    assert "(Forbidden)" in refused
    assert f"namespace {name} holds a protected organization; take its label tenure.dev/protect away first" in refused
    assert not is_going(plane, name)
    plane.kubectl("label", "namespace", name, f"{LABEL}-")
    assert delete(plane, name) == ""
    assert is_going(plane, name)


@pytest.mark.parametrize("label", [None, "false", ""], ids=["no label", "false", "empty"])
def test_a_namespace_goes_that_has(plane: ControlPlane, label: str | None) -> None:
    name = create(plane, label)
    assert delete(plane, name) == ""
    assert is_going(plane, name)


def test_all_namespaces_at_once_spare_the_labelled_one(plane: ControlPlane) -> None:
    kept, gone = create(plane, "true"), create(plane, None)
    result = plane.kubectl("delete", "namespace", kept, gone, "--wait=false", check=False)
    assert result.returncode != 0
    assert (is_going(plane, kept), is_going(plane, gone)) == (False, True)


def test_the_api_server_finds_no_fault_with_the_expressions(plane: ControlPlane) -> None:
    def checked() -> object:
        body = json.loads(plane.kubectl("get", "validatingadmissionpolicy", NAME, "--output=json").stdout)
        assert body["status"]["observedGeneration"] == body["metadata"]["generation"]
        return body["status"]["typeChecking"]

    assert eventually(lambda: [checked()], within=30, describe="the expressions are checked") == [{}]
