"""The manifests for Argo CD and Flux hold what the tools need, and nothing that ends keys by surprise."""

from typing import Any

import yaml

from tenure_dev.paths import CHECKOUT

Body = dict[str, Any]

MANIFESTS = CHECKOUT / "manifests"
TEXTS = {path.name: path.read_text() for tool in ("argocd", "flux") for path in (MANIFESTS / tool).glob("*.yaml")}


def bodies(tool: str, kind: str) -> list[Body]:
    files = sorted((MANIFESTS / tool).glob("*.yaml"))
    return [body for path in files for body in yaml.safe_load_all(path.read_text()) if body["kind"] == kind]


def test_applications_prune_heal_and_try_again() -> None:
    tenure, acme = bodies("argocd", "Application")
    (organizations,) = bodies("argocd", "ApplicationSet")
    for policy in (acme["spec"]["syncPolicy"], organizations["spec"]["template"]["spec"]["syncPolicy"]):
        assert policy["automated"] == {"prune": True, "selfHeal": True}
        assert policy["retry"]["limit"] > 0
        assert "ServerSideApply=true" in policy["syncOptions"]
    (ignored,) = tenure["spec"]["ignoreDifferences"]
    assert ignored["jqPathExpressions"] == [".webhooks[].clientConfig.caBundle"]


def test_an_application_is_made_for_each_folder() -> None:
    (organizations,) = bodies("argocd", "ApplicationSet")
    (generator,) = organizations["spec"]["generators"]
    assert generator["git"]["directories"] == [{"path": "organizations/*"}]
    assert organizations["spec"]["template"]["spec"]["destination"]["namespace"] == "{{ .path.basename }}"


def test_the_kustomization_prunes_and_waits() -> None:
    (acme,) = bodies("flux", "Kustomization")
    assert (acme["spec"]["prune"], acme["spec"]["wait"]) == (True, True)
    assert {each["kind"] for each in acme["spec"]["healthCheckExprs"]} == {"Organization", "Membership", "ApiKey"}


def test_nothing_forces_and_nothing_is_ordered_by_waves() -> None:
    for name, text in TEXTS.items():
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        assert not [line for line in lines if "sync-wave" in line or "Force=true" in line or "force: true" in line], (
            name
        )
