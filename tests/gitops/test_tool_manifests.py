"""The manifests for Argo CD and Flux hold what the tools need, and nothing that ends keys by surprise."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import yaml

from support.programs.judged import Judged
from tenure_dev.paths import CHECKOUT

Body = dict[str, Any]

MANIFESTS = CHECKOUT / "manifests"
FILES = sorted(path.relative_to(MANIFESTS) for tool in ("argocd", "flux") for path in (MANIFESTS / tool).iterdir())
KINDS = {
    ("v1", "ConfigMap"),
    ("argoproj.io/v1alpha1", "Application"),
    ("argoproj.io/v1alpha1", "ApplicationSet"),
    ("source.toolkit.fluxcd.io/v1", "GitRepository"),
    ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
}
DANGEROUS = ("sync-wave", "Force=true", "force", "Replace=true", "PruneLast=true", "resources-finalizer")
"""What would hold up a removal, or end keys by deleting and creating anew, or with the tool's own object."""


def bodies(kind: str) -> list[Body]:
    found = [body for path in FILES for body in yaml.safe_load_all((MANIFESTS / path).read_text())]
    return [body for body in found if body["kind"] == kind]


def words(value: Any) -> Iterator[str]:
    """All keys and texts of a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner)
    else:
        yield str(value)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_holds_known_kinds_without_aliases_and_dangers(path: Any) -> None:
    text = (MANIFESTS / path).read_text()
    assert not [token for token in yaml.scan(text) if isinstance(token, yaml.AnchorToken | yaml.AliasToken)]
    for body in yaml.safe_load_all(text):
        assert (body["apiVersion"], body["kind"]) in KINDS
        found = [danger for danger in DANGEROUS for word in words(body) if danger in word and "\n" not in word]
        assert found == []


@pytest.mark.parametrize("name", ["tenure", "organization-acme", "organization-{{ .path.basename }}"])
def test_an_application_prunes_heals_and_tries_again(name: str) -> None:
    templates = [each["spec"]["template"] for each in bodies("ApplicationSet")]
    (application,) = [each for each in [*bodies("Application"), *templates] if each["metadata"]["name"] == name]
    spec = application["spec"]
    options = application["metadata"].get("annotations", {}).get("argocd.argoproj.io/compare-options")
    assert options == (None if name == "tenure" else "ServerSideDiff=false")
    assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    retry = spec["syncPolicy"]["retry"]
    assert (retry["limit"] >= 2, retry["refresh"], retry["backoff"]["maxDuration"]) == (True, True, "30s")
    assert {"ServerSideApply=true", "CreateNamespace=true"} <= set(spec["syncPolicy"]["syncOptions"])
    is_chart = name == "tenure"
    assert (MANIFESTS.parent / spec["source"]["path"] / "Chart.yaml").exists() is is_chart
    assert spec["source"].get("directory", {}).get("recurse", False) is not is_chart


def test_the_authority_that_the_webhooks_fill_in_is_no_difference() -> None:
    tenure, _ = bodies("Application")
    (ignored,) = tenure["spec"]["ignoreDifferences"]
    (configuration,) = yaml.safe_load_all((MANIFESTS / "webhooks.yaml").read_text())
    assert (ignored["kind"], ignored["name"]) == (configuration["kind"], configuration["metadata"]["name"])
    assert ignored["jqPathExpressions"] == [".webhooks[].clientConfig.caBundle"]
    assert "RespectIgnoreDifferences=true" in tenure["spec"]["syncPolicy"]["syncOptions"]


def test_an_application_is_made_for_each_folder_and_takes_nothing_along_when_it_goes() -> None:
    (organizations,) = bodies("ApplicationSet")
    (generator,) = organizations["spec"]["generators"]
    assert generator["git"]["directories"] == [{"path": "organizations/*"}]
    assert organizations["spec"]["template"]["spec"]["source"]["path"] == "{{ .path.path }}"
    assert organizations["spec"]["template"]["spec"]["destination"]["namespace"] == "{{ .path.basename }}"
    assert organizations["spec"]["syncPolicy"] == {"preserveResourcesOnDeletion": True}


def test_the_kustomization_prunes_waits_tries_again_and_takes_nothing_along_when_it_goes() -> None:
    (acme,) = [body["spec"] for body in bodies("Kustomization")]
    assert (acme["prune"], acme["wait"], acme["deletionPolicy"]) == (True, True, "Orphan")
    assert acme["retryInterval"] == "30s"
    assert {each["kind"] for each in acme["healthCheckExprs"]} == {"Organization", "Membership", "ApiKey"}
    sources = {body["metadata"]["name"] for body in bodies("GitRepository")}
    (release,) = bodies("HelmRelease")
    assert sources == {acme["sourceRef"]["name"], release["spec"]["chart"]["spec"]["sourceRef"]["name"]}
    assert (MANIFESTS.parent / release["spec"]["chart"]["spec"]["chart"] / "Chart.yaml").exists()


def test_the_health_scripts_are_merged_into_the_configuration_that_is_there(judged: Judged) -> None:
    """As the file itself says how."""
    plane, namespace = judged.plane, f"test-{uuid4().hex[:10]}"
    plane.kubectl("create", "namespace", namespace)
    own = {"url": "https://argocd.example.com", "resource.customizations.health.example.com_Thing": "return {}"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": own}
    plane.kubectl("apply", f"--namespace={namespace}", "--filename=-", input=json.dumps(config))
    text = (MANIFESTS / "argocd" / "argocd-cm.yaml").read_text().replace("namespace: argocd", f"namespace: {namespace}")
    command = next(line for line in text.splitlines() if "kubectl patch" in line).split("kubectl ")[1].split()
    merged = [f"--namespace={namespace}" if word == "argocd" else word for word in command if word != "-n"]
    path = plane.folder / "argocd-cm.yaml"
    path.write_text(text)
    plane.kubectl(*[str(path) if word.endswith(".yaml") else word for word in merged])
    found = json.loads(plane.kubectl("get", "configmap", "argocd-cm", f"--namespace={namespace}", "-o=json").stdout)
    assert found["data"] == own | yaml.safe_load(text)["data"]
    assert found["metadata"]["labels"]["app.kubernetes.io/part-of"] == "argocd"
    plane.kubectl("delete", "namespace", namespace, "--wait=false")
