"""The values that the page on managed clusters names are rendered, and the result is judged."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.objects.charts import Body, of_kind, pods_of, render_values
from tenure_dev.paths import CHECKOUT

PAGE = CHECKOUT / "docs" / "operations" / "managed-clusters.md"
USER = {"runAsUser", "runAsGroup", "fsGroup"}
OPENSHIFT = "--api-versions=security.openshift.io/v1"


def values_of_page() -> Mapping[str, Any]:
    """Return the values of each section."""
    sections = [section.partition("\n") for section in PAGE.read_text().split("\n## ")[1:]]
    return {
        title: yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
        for title, _, text in sections
        if "```yaml\n" in text
    }


def contexts(bodies: Iterable[Body]) -> list[Body]:
    """The security contexts of all pods and containers."""
    specs = [pod["spec"] for pod in pods_of(bodies).values()]
    return [spec["securityContext"] for spec in specs] + [spec["containers"][0]["securityContext"] for spec in specs]


def names_no_user(bodies: list[Body]) -> None:
    """As restricted-v2 demands: it also demands what the standard *restricted* does, see test_chart.py."""
    assert [found for found in contexts(bodies) if found.keys() & USER] == []


def uses_ports_of_the_node(bodies: list[Body]) -> None:
    (deployment,) = [one for one in of_kind(bodies, "Deployment") if one["spec"]["template"]["spec"].get("hostNetwork")]
    assert deployment["metadata"]["name"] == "tenure-webhook"
    # A node has each port once, so a rollout that first starts a new pod would wait for ever.
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    assert webhook_ports(bodies) == [9543, 9544]


def listens_on_10250(bodies: list[Body]) -> None:
    assert webhook_ports(bodies) == [10250, 8081]
    assert not pods_of(bodies)["tenure-webhook"]["spec"].get("hostNetwork")


def is_exempt(bodies: list[Body]) -> None:
    (configuration,) = of_kind(bodies, "ValidatingWebhookConfiguration")
    assert configuration["metadata"]["annotations"] == {"admissions.enforcer/disabled": "true"}


def has_no_sidecar(bodies: list[Body]) -> None:
    for name in ("tenure-webhook", "tenure-controller", "tenure-test-refusal"):
        metadata = pods_of(bodies)[name]["metadata"]
        assert metadata["labels"]["sidecar.istio.io/inject"] == "false"
        assert metadata["annotations"]["linkerd.io/inject"] == "disabled"
    assert "sidecar.istio.io/inject" not in pods_of(bodies)["tenure-verifier"]["metadata"]["labels"]


def comes_from_the_mirror(bodies: list[Body]) -> None:
    specs = [pod["spec"] for pod in pods_of(bodies).values()]
    image = f"registry.acme.io/mirror/tenure@sha256:{'0' * 64}"
    assert {spec["containers"][0]["image"] for spec in specs} == {image}
    assert [spec["imagePullSecrets"] for spec in specs] == [[{"name": "mirror"}]] * 4


def meets_usual_policies(bodies: list[Body]) -> None:
    for pod in pods_of(bodies).values():
        (container,) = pod["spec"]["containers"]
        assert {*container["resources"]["requests"], *container["resources"]["limits"]} == {"cpu", "memory"}
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}
        assert pod["spec"]["priorityClassName"] == "system-cluster-critical"
        assert not container["image"].endswith(":latest")
    assert {body["metadata"]["labels"]["cost-center"] for body in bodies} == {"1234"}


def lets_only_the_api_server_in(bodies: list[Body]) -> None:
    (policy,) = [one for one in of_kind(bodies, "NetworkPolicy") if one["metadata"]["name"] == "tenure-webhook"]
    health, served = policy["spec"]["ingress"]
    assert health == {"ports": [{"protocol": "TCP", "port": 8081}]}
    address, tests = served["from"]
    assert address == {"ipBlock": {"cidr": "10.0.0.0/28"}}
    labels = pods_of(bodies)["tenure-test-refusal"]["metadata"]["labels"]
    assert tests["podSelector"]["matchLabels"].items() <= labels.items()
    assert served["ports"] == [{"protocol": "TCP", "port": 9443}]


def has_both_families(bodies: list[Body]) -> None:
    services = of_kind(bodies, "Service")
    assert len(services) == 4
    for service in services:
        assert (service["spec"]["ipFamilyPolicy"], service["spec"]["ipFamilies"]) == (
            "PreferDualStack",
            ["IPv6", "IPv4"],
        )


JUDGES: Mapping[str, Callable[[list[Body]], None]] = {
    "OpenShift": names_no_user,
    "EKS with another pod network": uses_ports_of_the_node,
    "GKE with private nodes": listens_on_10250,
    "AKS": is_exempt,
    "Istio and Linkerd": has_no_sidecar,
    "A mirror of images": comes_from_the_mirror,
    "Kyverno and Gatekeeper": meets_usual_policies,
    "Who may reach the webhooks": lets_only_the_api_server_in,
    "IPv6 and dual stack": has_both_families,
}


def webhook_ports(bodies: list[Body]) -> list[int]:
    return [one["containerPort"] for one in pods_of(bodies)["tenure-webhook"]["spec"]["containers"][0]["ports"]]


@pytest.mark.parametrize(("title", "values"), values_of_page().items(), ids=values_of_page())
def test_the_values_of_the_page_do_what_it_says(tmp_path: Path, title: str, values: Body) -> None:
    JUDGES[title](render_values(tmp_path, values))


def test_every_judge_finds_fault_with_the_defaults(tmp_path: Path) -> None:
    assert values_of_page().keys() == JUDGES.keys()
    bodies = render_values(tmp_path, {})
    for judge in JUDGES.values():
        with pytest.raises((AssertionError, KeyError, ValueError)):
            judge(bodies)


@pytest.mark.parametrize(
    ("values", "args", "named"),
    [
        ({}, (), True),
        ({}, (OPENSHIFT,), False),
        ({"platform": "kubernetes"}, (OPENSHIFT,), True),
        ({"podSecurityContext": {"fsGroup": 1}}, (OPENSHIFT,), False),
    ],
    ids=["Kubernetes", "OpenShift", "not as on OpenShift", "a group on OpenShift"],
)
def test_openshift_is_detected(tmp_path: Path, values: Body, args: tuple[str, ...], *, named: bool) -> None:
    found = contexts(render_values(tmp_path, values, *args))
    assert any(context.keys() & USER for context in found) is named
    assert all(context.get("runAsNonRoot") or context["readOnlyRootFilesystem"] for context in found)


def test_cert_managers_annotation_stays_beside_yours(tmp_path: Path) -> None:
    annotations = {"cert-manager.io/inject-ca-from": "forged", "note": "x"}
    values = {"certificates": {"mode": "certManager"}, "webhook": {"configurationAnnotations": annotations}}
    (configuration,) = of_kind(render_values(tmp_path, values), "ValidatingWebhookConfiguration")
    assert configuration["metadata"]["annotations"] == {
        "cert-manager.io/inject-ca-from": "tenure-system/tenure-webhook",
        "note": "x",
    }
