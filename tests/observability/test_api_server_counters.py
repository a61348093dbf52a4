"""The API server's own counters of failing webhooks are there under the names and labels that the alerts use."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.api.api import Api, ApiRefusedError
from support.cases.rules import OF_THE_API_SERVER
from support.cases.runbooks import audited
from support.objects import manifests
from support.run.eventually import eventually
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS

KIND = "memberships.tenure.dev"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane whose webhooks are registered, and served by nobody."""
    folder: Path = tmp_path_factory.mktemp("counters")
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS) as plane:
        webhooks.install(plane)
        yield plane


def counted(plane: ControlPlane, name: str) -> Mapping[frozenset[tuple[str, str]], float]:
    """The series of a counter, by their labels."""
    text = plane.kubectl("get", "--raw=/metrics").stdout
    return {
        frozenset(sample.labels.items()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.removesuffix("_total") == name  # The parser gives every counter that suffix.
    }


def labels_of_ours(plane: ControlPlane, name: str) -> dict[str, str]:
    """The labels of the one series of a counter that is about our webhook."""
    (found,) = (dict(labels) for labels in counted(plane, name) if ("name", KIND) in labels)
    return found


def test_calls_that_fail_are_counted_and_so_are_changes_that_pass_unjudged(plane: ControlPlane) -> None:
    refused, passed = OF_THE_API_SERVER
    api = Api(plane, "default")
    with pytest.raises(ApiRefusedError, match="failed calling webhook"):
        api.create("memberships", manifests.member("alice"))
    labels = labels_of_ours(plane, refused)
    assert labels["error_type"] == "calling_webhook_error"
    assert labels.keys() >= OF_THE_API_SERVER[refused]

    operations = [{"op": "replace", "path": f"/webhooks/{n}/failurePolicy", "value": "Ignore"} for n in range(3)]
    name = ("validatingwebhookconfiguration", "tenure")
    plane.kubectl("patch", *name, "--type=json", f"--patch={json.dumps(operations)}")

    def passes() -> bool:
        try:
            api.create("memberships", manifests.member("bob"))
        except ApiRefusedError:
            return False
        return True

    eventually(passes, within=30, describe="the API server has seen the new configuration")
    assert labels_of_ours(plane, passed).keys() >= OF_THE_API_SERVER[passed]
    (event,) = audited(plane, "TenureWebhookFailsOpen")
    assert (event["objectRef"]["resource"], event["objectRef"]["name"]) == ("memberships", "bob")
    api.close()
