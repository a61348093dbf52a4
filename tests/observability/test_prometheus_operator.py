"""The Prometheus Operator's own definitions take what the chart has for it, and would refuse what they don't know."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from support.api.kubectl import NamespacedKubectl
from tenure_dev import monitoring
from tenure_dev.build import find_or_build
from tenure_dev.chart import NAMESPACE, render
from tenure_dev.controlplane import ControlPlane
from tenure_dev.kubectl import KubectlError

Body = dict[str, Any]

EVERYTHING = (
    "--set=metrics.serviceMonitor.interval=30s",
    "--set=metrics.serviceMonitor.labels.release=prometheus",
    "--set=metrics.rules.labels.release=prometheus",
    "--set=metrics.rules.runbookUrl=https://docs.acme.io/%s.html",
)


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamespacedKubectl]:
    """Give an API server of its own that knows ServiceMonitors and PrometheusRules."""
    folder = monitoring.find_or_fetch()
    with ControlPlane.start(find_or_build(), tmp_path_factory.mktemp("monitoring"), crds=folder) as plane:
        plane.kubectl("create", "namespace", NAMESPACE)
        yield NamespacedKubectl(plane.kubectl, NAMESPACE)


def rendered(*args: str) -> Mapping[str, Body]:
    """What the chart has for the operator, by kind."""
    wanted = ("--set=metrics.serviceMonitor.enabled=true", "--set=metrics.rules.enabled=true")
    bodies = yaml.safe_load_all(render(*wanted, *args))
    return {body["kind"]: body for body in bodies if body and body["apiVersion"] == "monitoring.coreos.com/v1"}


@pytest.mark.parametrize("args", [(), EVERYTHING], ids=["as it comes", "with everything"])
@pytest.mark.parametrize("kind", ["ServiceMonitor", "PrometheusRule"])
def test_the_api_server_takes_it_and_keeps_all_of_it(
    kubectl: NamespacedKubectl, kind: str, args: tuple[str, ...]
) -> None:
    body = rendered(*args)[kind]
    kubectl("apply", "--server-side", "--validate=strict", "--filename=-", input=yaml.safe_dump(body))
    stored = kubectl.json("get", kind, "tenure")
    assert stored["spec"] == body["spec"]


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("ServiceMonitor", ("endpoints", 0, "interval"), "now and then"),
        ("ServiceMonitor", ("endpoints", 0, "scrapePath"), "/metrics"),
        ("PrometheusRule", ("groups", 0, "rules", 0, "keepFiringFor"), "1h"),
        ("PrometheusRule", ("groups", 0, "rules", 0, "for"), "an hour"),
    ],
)
def test_what_it_does_not_know_is_refused(
    kubectl: NamespacedKubectl, kind: str, path: tuple[str | int, ...], value: str
) -> None:
    body = rendered()[kind]
    inner: Any = body["spec"]
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(KubectlError, match=str(path[-1])):
        kubectl("apply", "--server-side", "--validate=strict", "--filename=-", input=yaml.safe_dump(body))
