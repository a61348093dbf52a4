"""The chart: clean, strict about its values, and taken by a real API server under the strictest pod security."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tenure.domain.access.cluster_roles import cluster_role_name
from tenure.domain.roles import Access, Role
from tenure_dev.build import find_or_build
from tenure_dev.chart import CHART, NAMESPACE, render, rendered_files
from tenure_dev.controlplane import ControlPlane
from tenure_dev.errors import ToolError
from tenure_dev.generate.files import changed_files
from tenure_dev.paths import CHECKOUT
from tenure_dev.tools import Tools

Body = dict[str, Any]

MAKE_GENERATE = "run `make generate` and commit the result"
VARIANTS = {
    "defaults": (),
    "cert-manager": ("--set=certificates.mode=certManager",),
    "an issuer of one's own": (
        "--set=certificates.mode=certManager",
        "--set=certificates.certManager.issuerRef.name=x",
    ),
    "some namespaces": ("--set=namespaces={a,b}",),
    "no webhooks": ("--set=webhook.enabled=false", "--set=kubernetesAccess=None"),
    "no verifier": ("--set=verifier.enabled=false",),
    "a verifier with a certificate": ("--set=verifier.tlsSecret=certificate",),
    "one replica": ("--set=webhook.replicas=1", "--set=controller.replicas=1"),
    "no definitions": ("--set=crds.enabled=false",),
    "limits": ("--set=organizationLimits.maxTTL=720h", "--set=organizationLimits.requireExpiry=true"),
    "by digest": (f"--set=image.digest=sha256:{'0' * 64}",),
    "a client authority": ("--set=webhook.clientCA=client-authority",),
    "both certificates": ("--set=webhook.clientCA=client-authority", "--set=certificates.mode=certManager"),
    "host network": ("--set=webhook.hostNetwork=true",),
    "OpenShift": ("--set=platform=openshift",),
}
TYPOS = {
    "webhook.replica=3": "replica",
    "webhook.replicas=0": "/webhook/replicas",
    "controller.replicas=0": "/controller/replicas",
    "controller.leaseSeconds=1": "/controller/leaseSeconds",
    "organizationDefaults.whenKeysExist=Maybe": "whenKeysExist",
    "organizationLimits.maxTTL=30d": "maxTTL",
    "certificates.mode=self": "/certificates/mode",
    "namespaces={Acme}": "/namespaces/0",
    "image.pullPolicy=never": "pullPolicy",
    "identity.prefix=oidc:": "prefix",
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane that Tenure isn't installed on."""
    with ControlPlane.start(find_or_build(), tmp_path_factory.mktemp("plane")) as plane:
        yield plane


def helm(plane: ControlPlane, *args: str) -> str:
    program = str(Tools.find_or_build().helm)
    environment = {"HOME": str(plane.folder), "KUBECONFIG": str(plane.kubeconfig)}
    result = subprocess.run([program, *args], capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def bodies(*args: str) -> list[Body]:
    return [body for body in yaml.safe_load_all(render(*args)) if body]


def of_kind(found: list[Body], kind: str) -> list[Body]:
    return [body for body in found if body["kind"] == kind]


def test_lint_finds_nothing() -> None:
    program = str(Tools.find_or_build().helm)
    result = subprocess.run([program, "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "[WARNING]" not in result.stdout + result.stderr


def test_what_helm_renders_for_the_checkout_is_up_to_date() -> None:
    assert changed_files(CHECKOUT, rendered_files()) == [], MAKE_GENERATE


@pytest.mark.parametrize(("value", "named"), TYPOS.items(), ids=TYPOS)
def test_a_mistyped_value_is_refused_and_named(value: str, named: str) -> None:
    with pytest.raises(ToolError, match=named):
        render(f"--set={value}")


@pytest.mark.parametrize("access", ["Roles", "RolesAndKeys"])
def test_without_webhooks_no_access_is_given(access: str) -> None:
    with pytest.raises(ToolError, match=f"webhook.enabled=false .* kubernetesAccess is {access}") as refused:
        render("--set=webhook.enabled=false", f"--set=kubernetesAccess={access}")
    assert "Set kubernetesAccess=None" in str(refused.value)


@pytest.mark.parametrize("args", VARIANTS.values(), ids=VARIANTS)
def test_pods_meet_the_restricted_standard(plane: ControlPlane, args: tuple[str, ...]) -> None:
    namespace = f"restricted-{uuid4().hex[:10]}"
    plane.kubectl("create", "namespace", namespace)
    plane.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    for component in ("controller", "webhook", "verifier"):
        plane.kubectl("create", "serviceaccount", f"tenure-{component}", f"--namespace={namespace}")
    rendered = bodies(*args)
    pods = [pod_of(body, namespace) for body in of_kind(rendered, "Deployment")] + [
        {**body, "metadata": {**body["metadata"], "namespace": namespace}} for body in of_kind(rendered, "Pod")
    ]
    gone = sum(f"--set={name}.enabled=false" in args for name in ("webhook", "verifier"))
    assert len(pods) == 4 - gone - ("--set=webhook.enabled=false" in args)
    for pod in pods:
        host = pod["spec"].get("hostNetwork", False)
        result = plane.kubectl("create", "--dry-run=server", "--filename=-", input=json.dumps(pod), check=False)
        # The restricted standard has no host network; whoever needs it has to loosen the namespace.
        assert ("hostNetwork" in result.stderr) if host else result.returncode == 0, result.stderr


def pod_of(deployment: Body, namespace: str) -> Body:
    template = deployment["spec"]["template"]
    metadata = {
        "name": deployment["metadata"]["name"],
        "namespace": namespace,
        "labels": template["metadata"]["labels"],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def test_the_static_webhook_configuration_has_no_authority_in_it() -> None:
    (configuration,) = of_kind(bodies(), "ValidatingWebhookConfiguration")
    for webhook in configuration["webhooks"]:
        assert "caBundle" not in webhook["clientConfig"]
        assert webhook["failurePolicy"] == "Fail"
        assert webhook["clientConfig"]["service"]["namespace"] == NAMESPACE


def test_namespaces_that_are_served_bound_rights_and_webhooks() -> None:
    found = bodies("--set=namespaces={a,b}")
    (configuration,) = of_kind(found, "ValidatingWebhookConfiguration")
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a", "b"]}
    assert all(one["namespaceSelector"] == {"matchExpressions": [expression]} for one in configuration["webhooks"])
    everywhere = [
        rule
        for role in of_kind(found, "ClusterRole")
        if role["metadata"]["name"] == "tenure-controller"
        for rule in role["rules"]
    ]
    assert {resource for rule in everywhere for resource in rule["resources"]} == {
        "customresourcedefinitions",
        "clusterroles",
    }
    places = {role["metadata"]["namespace"] for role in of_kind(found, "Role")}
    assert places == {"a", "b", NAMESPACE}


@pytest.mark.parametrize(
    ("access", "granted"),
    [
        ("None", set()),
        ("Roles", {"rolebindings", "clusterroles"}),
        ("RolesAndKeys", {"rolebindings", "clusterroles", "roles"}),
    ],
)
@pytest.mark.parametrize("served", [(), ("--set=namespaces={acme}",)], ids=["all namespaces", "one"])
def test_what_members_are_given_decides_what_the_operator_may_do(
    access: str, granted: set[str], served: tuple[str, ...]
) -> None:
    found = bodies(f"--set=kubernetesAccess={access}", *served)
    (operator,) = [body for body in of_kind(found, "Deployment") if body["metadata"]["name"] == "tenure-controller"]
    assert f"--kubernetes-access={access}" in operator["spec"]["template"]["spec"]["containers"][0]["args"]
    rules = [
        rule
        for role in [*of_kind(found, "ClusterRole"), *of_kind(found, "Role")]
        if role["metadata"]["name"] == "tenure-controller"
        for rule in role["rules"]
        if "rbac.authorization.k8s.io" in rule["apiGroups"]
    ]
    assert {resource for rule in rules for resource in rule["resources"]} == granted
    named = [name for rule in rules if "clusterroles" in rule["resources"] for name in rule["resourceNames"]]
    assert named == ([] if access == "None" else [cluster_role_name(role, most) for role in Role for most in Access])


def test_the_replicas_of_the_operator_elect_one_where_tenure_lives() -> None:
    found = bodies("--set=controller.replicas=3", "--set=controller.leaseSeconds=30", "--set=namespaces={a,b}")
    (deployment,) = [one for one in of_kind(found, "Deployment") if one["metadata"]["name"] == "tenure-controller"]
    assert deployment["spec"]["replicas"] == 3
    assert deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    pod = deployment["spec"]["template"]["spec"]
    assert {"--leader-election", "--lease-duration=30", f"--system-namespace={NAMESPACE}"} <= {
        *pod["containers"][0]["args"]
    }
    (spread,) = pod["topologySpreadConstraints"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
    roles = [role for role in of_kind(found, "Role") if role["metadata"]["name"].startswith("tenure-controller")]
    places = {
        role["metadata"]["namespace"] for role in roles for rule in role["rules"] if "leases" in rule["resources"]
    }
    assert places == {NAMESPACE}


@pytest.mark.parametrize(
    ("args", "budgets"),
    [
        ((), {"tenure-controller", "tenure-webhook"}),
        (("--set=controller.replicas=1",), {"tenure-webhook"}),
        (("--set=controller.podDisruptionBudget.enabled=false",), {"tenure-webhook"}),
    ],
)
def test_disruptions_leave_one_replica_where_there_are_two(args: tuple[str, ...], budgets: set[str]) -> None:
    found = of_kind(bodies("--set=verifier.enabled=false", *args), "PodDisruptionBudget")
    assert {body["metadata"]["name"] for body in found} == budgets
    assert all(body["spec"]["minAvailable"] == 1 for body in found)


def test_a_release_is_installed_upgraded_and_uninstalled_and_keeps_the_definitions(plane: ControlPlane) -> None:
    where = ("--namespace", NAMESPACE)
    notes = helm(plane, "install", "tenure", str(CHART), *where, "--create-namespace")
    assert "helm test tenure -n tenure-system" in notes
    helm(plane, "upgrade", "tenure", str(CHART), *where, "--set", "webhook.replicas=3")
    assert plane.kubectl("get", "deployment", "tenure-webhook", *where, "-o=jsonpath={.spec.replicas}").stdout == "3"
    plane.kubectl("wait", "--for=condition=Established", "--timeout=300s", "crd/organizations.tenure.dev")

    helm(plane, "uninstall", "tenure", *where)

    policies = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    kinds = f"clusterroles,clusterrolebindings,validatingwebhookconfigurations,{policies}"
    left = plane.kubectl("get", kinds, "-l", "app.kubernetes.io/part-of=tenure", "-o=name").stdout
    assert left == ""
    assert plane.kubectl("get", "all,secrets,leases", *where, "-o=name").stdout == ""
    assert len(plane.kubectl("get", "crds", "-o=name").stdout.split()) == 3


def test_the_rendered_manifests_are_taken_as_they_are(plane: ControlPlane) -> None:
    manifest = CHART.parents[1] / "manifests" / "install.yaml"
    applied = plane.kubectl("apply", "--server-side", "--filename", str(manifest)).stdout
    assert "deployment.apps/tenure-webhook serverside-applied" in applied
    kustomized = plane.kubectl("kustomize", str(manifest.parent)).stdout
    assert "image: tenure:0.1.0" in kustomized
    plane.kubectl("delete", "--filename", str(manifest), "--wait=false")
