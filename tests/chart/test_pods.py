"""What one pod of the chart takes from the values for scheduling, labels and security, every pod takes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.objects.charts import Body, of_kind, pods_of, render_values
from tenure_dev.chart import CHART
from tenure_dev.errors import ToolError

SCHEMA = json.loads((CHART / "values.schema.json").read_text())["properties"]
OWN = {
    "controller": {"leaseSeconds", "podDisruptionBudget", "replicas", "resyncSeconds", "sweepReadsPerSecond"},
    "webhook": {
        *("clientCA", "configurationAnnotations", "enabled", "healthPort", "hostNetwork", "ingressFrom"),
        *("podDisruptionBudget", "port", "replicas", "requestTimeoutSeconds"),
    },
    "verifier": {
        *(
            "callerAudience",
            "enabled",
            "maxStalenessSeconds",
            "podDisruptionBudget",
            "processes",
            "replicas",
            "tlsSecret",
        ),
    },
    "mail": {
        *("baseUrl", "egressPorts", "enabled", "from", "limits", "podDisruptionBudget", "replicas", "signingSecret"),
        *("smtp", "templates", "tlsSecret"),
    },
    "console": {
        *("editUrl", "egressPorts", "enabled", "formSecret", "loginUrl", "mode", "oidc", "podDisruptionBudget"),
        *("readOnly", "replicas", "tlsSecret", "url"),
    },
    "tests": set[str](),
}
"""The sections of the pods, each with the values that are about something else than its pods, or about its own job."""

SHARED: Mapping[str, Any] = {
    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    "podAnnotations": {"linkerd.io/inject": "enabled", "note": "x"},
    "podLabels": {"sidecar.istio.io/inject": "true", "app.kubernetes.io/component": "forged"},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "nodeSelector": {"pool": "system"},
    "tolerations": [{"key": "system", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "system-cluster-critical",
}
CONSOLE: Mapping[str, Any] = {"enabled": True, "url": "https://console.acme.io"}
IMPERSONATES = {"mode": "Impersonation", "oidc": {"issuerUrl": "https://login.acme.io", "clientId": "tenure"}}
TAKEN_AS_THEY_ARE = SHARED.keys() - {"podAnnotations", "podLabels", "extraEnv"}
EVERYWHERE: Mapping[str, Any] = {
    "image": {"registry": "mirror.acme.io", "digest": f"sha256:{'0' * 64}", "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "mirror"}],
    "podSecurityContext": {"fsGroup": 1, "runAsGroup": 2},
    "containerSecurityContext": {"procMount": "Default"},
    "commonLabels": {"team": "platform", "app.kubernetes.io/name": "forged"},
}
JOB = {
    *("containers", "volumes", "serviceAccountName", "automountServiceAccountToken", "restartPolicy"),
    *("terminationGracePeriodSeconds", "topologySpreadConstraints"),
}
"""Parts of a pod that follow from what it does. A test's pod neither spreads nor ends gracefully."""

CONTAINER_JOB = {"args", "ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "volumeMounts"}


def taken(pod: Body) -> Body:
    """Return all of a pod that doesn't follow from what it does."""
    (container,) = pod["spec"]["containers"]
    metadata = pod["metadata"]
    return {
        "labels": {**metadata["labels"], "app.kubernetes.io/component": ""},
        "annotations": {key: value for key, value in metadata["annotations"].items() if "helm.sh" not in key},
        "spec": {key: value for key, value in pod["spec"].items() if key not in JOB},
        "container": {key: value for key, value in container.items() if key not in CONTAINER_JOB},
    }


@pytest.mark.parametrize("section", OWN)
def test_every_pod_has_the_same_values(section: str) -> None:
    assert SCHEMA[section]["properties"].keys() - OWN[section] == SHARED.keys(), "give all pods the value, or add it"


def test_what_one_pod_takes_every_pod_takes(tmp_path: Path) -> None:
    switched = {"mail": {**SHARED, "enabled": True}, "console": {**SHARED, **CONSOLE}}
    pods = pods_of(render_values(tmp_path, {**EVERYWHERE, **dict.fromkeys(OWN, SHARED), **switched}))
    assert len(pods) == 6
    first, *others = map(taken, pods.values())
    assert others == [first] * 5
    assert {key: first["spec"].get(key) or first["container"].get(key) for key in TAKEN_AS_THEY_ARE} == {
        key: SHARED[key] for key in TAKEN_AS_THEY_ARE
    }
    assert first["container"]["env"] == SHARED["extraEnv"]
    assert first["annotations"] == SHARED["podAnnotations"]
    assert (first["labels"]["team"], first["labels"]["sidecar.istio.io/inject"]) == ("platform", "true")
    assert first["container"]["image"] == f"mirror.acme.io/tenure@sha256:{'0' * 64}"
    assert first["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 2,
        "fsGroup": 1,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_the_tests_pod_runs_where_the_webhooks_run(tmp_path: Path) -> None:
    pods = pods_of(render_values(tmp_path, {"webhook": {**SHARED, "resources": {"limits": {"cpu": "1"}}}}))
    webhook, test = taken(pods["tenure-webhook"]), taken(pods["tenure-test-refusal"])
    assert test["spec"] == webhook["spec"]
    assert test["container"]["env"] == webhook["container"]["env"]
    assert test["container"]["resources"]["limits"] == {"cpu": "1", "memory": "128Mi"}
    assert test["annotations"] == {"linkerd.io/inject": "disabled", "note": "x"}
    assert test["labels"] == {**webhook["labels"], "sidecar.istio.io/inject": "false"}


def test_null_takes_a_default_away(tmp_path: Path) -> None:
    nothing = {"runAsUser": None, "runAsGroup": None, "seccompProfile": None}
    for pod in pods_of(render_values(tmp_path, {"podSecurityContext": nothing})).values():
        assert pod["spec"]["securityContext"] == {"runAsNonRoot": True}


@pytest.mark.parametrize("values", [{}, {"port": 10250, "healthPort": 10251}], ids=["the default ports", "others"])
def test_a_port_is_the_same_wherever_it_is_named(tmp_path: Path, values: Body) -> None:
    bodies = render_values(tmp_path, {"webhook": values})
    port, health = values.get("port", 9443), values.get("healthPort", 8081)
    (container,) = pods_of(bodies)["tenure-webhook"]["spec"]["containers"]
    assert {f"--webhook-port={port}", f"--health-port={health}"} <= {*container["args"]}
    assert {one["name"]: one["containerPort"] for one in container["ports"]} == {"webhook": port, "health": health}
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        assert container[probe]["httpGet"]["port"] == "health"
    (policy,) = [one for one in of_kind(bodies, "NetworkPolicy") if one["metadata"]["name"] == "tenure-webhook"]
    rules = policy["spec"]["ingress"]
    assert [one["port"] for rule in rules for one in rule["ports"]] == [health, port]
    assert not any("from" in rule for rule in rules)
    (service,) = [one for one in of_kind(bodies, "Service") if one["metadata"]["name"] == "tenure-webhook"]
    assert service["spec"]["ports"] == [{"name": "https", "port": 443, "targetPort": "webhook"}]


def test_a_port_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"are both 9543.* Set webhook\.healthPort to another port"):
        render_values(tmp_path, {"webhook": {"port": 9543, "healthPort": 9543}})


def test_labels_of_your_own_never_replace_the_charts(tmp_path: Path) -> None:
    """The chart's select pods, and Helm looks at one of them."""
    own = of_kind(render_values(tmp_path, {}), "Deployment")
    names = own[0]["metadata"]["labels"].keys()
    forged = dict.fromkeys(names, "forged")
    bodies = render_values(tmp_path, {"commonLabels": forged, **{section: {"podLabels": forged} for section in OWN}})
    assert of_kind(bodies, "Deployment") == own


@pytest.mark.parametrize(
    ("mail", "says"),
    [
        ({"smtp": {"host": "smtp.acme.io"}, "baseUrl": "https://join.acme.io"}, "needs mail.from"),
        ({"smtp": {"host": "smtp.acme.io"}, "from": "tenure@acme.io"}, "needs mail.baseUrl"),
    ],
)
def test_mail_that_its_process_would_refuse_is_refused(tmp_path: Path, mail: Body, says: str) -> None:
    with pytest.raises(ToolError, match=says):
        render_values(tmp_path, {"mail": {"enabled": True, **mail}})


def test_mail_mounts_what_you_made_and_reaches_mail_servers_only(tmp_path: Path) -> None:
    mail = {
        "enabled": True,
        "baseUrl": "https://join.acme.io",
        "from": "tenure@acme.io",
        "tlsSecret": "page",
        "smtp": {"host": "smtp.acme.io", "port": 2525, "secret": "login", "ca": "authority"},
        "egressPorts": [16443],
    }
    bodies = render_values(tmp_path, {"mail": mail})
    (container,) = pods_of(bodies)["tenure-mail"]["spec"]["containers"]
    assert {one["name"]: one["mountPath"] for one in container["volumeMounts"]} == {
        name: f"/{name}" for name in ("certificate", "signing", "smtp", "smtp-ca")
    }
    sources = {one["name"]: one for one in pods_of(bodies)["tenure-mail"]["spec"]["volumes"]}
    assert sources["signing"]["secret"]["secretName"] == "tenure-mail-signing"
    assert sources["smtp"]["secret"]["secretName"] == "login"
    (policy,) = [one for one in of_kind(bodies, "NetworkPolicy") if one["metadata"]["name"] == "tenure-mail"]
    ports = [(port["protocol"], port["port"]) for rule in policy["spec"]["egress"] for port in rule["ports"]]
    assert ports == [("UDP", 53), ("TCP", 53), ("TCP", 16443), ("TCP", 2525)]
    (service,) = [one for one in of_kind(bodies, "Service") if one["metadata"]["name"] == "tenure-mail"]
    assert service["spec"]["ports"] == [{"name": "https", "port": 443, "targetPort": "page"}]


@pytest.mark.parametrize(
    ("console", "says"),
    [
        ({"url": ""}, "console.url is missing"),
        ({"mode": "Impersonation"}, "needs console.oidc.issuerUrl and console.oidc.clientId"),
        ({"replicas": 2}, "need console.formSecret"),
    ],
)
def test_a_console_that_its_process_would_refuse_is_refused(tmp_path: Path, console: Body, says: str) -> None:
    with pytest.raises(ToolError, match=says):
        render_values(tmp_path, {"console": {**CONSOLE, **console}})


def test_a_console_that_passes_tokens_on_has_no_token_and_no_right(tmp_path: Path) -> None:
    bodies = render_values(tmp_path, {"console": CONSOLE})
    pod = pods_of(bodies)["tenure-console"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert "--api-server-ca-file=/cluster/ca.crt" in pod["containers"][0]["args"]
    (volume,) = pod["volumes"]
    assert volume == {"name": "cluster", "configMap": {"name": "kube-root-ca.crt"}}
    for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"):
        assert not [one for one in of_kind(bodies, kind) if one["metadata"]["name"].startswith("tenure-console")]
    (policy,) = [one for one in of_kind(bodies, "NetworkPolicy") if one["metadata"]["name"] == "tenure-console"]
    assert [[one["port"] for one in rule["ports"]] for rule in policy["spec"]["egress"]] == [[53, 53], [443, 6443]]


def test_a_console_that_impersonates_has_a_token_and_no_cluster_authority(tmp_path: Path) -> None:
    values = {**CONSOLE, **IMPERSONATES, "replicas": 2, "formSecret": "forms"}
    bodies = render_values(tmp_path, {"console": values})
    pod = pods_of(bodies)["tenure-console"]["spec"]
    assert pod["automountServiceAccountToken"] is True
    assert pod["volumes"] == [{"name": "forms", "secret": {"secretName": "forms"}}]
    assert [one for one in of_kind(bodies, "PodDisruptionBudget") if one["metadata"]["name"] == "tenure-console"]


def test_no_secret_is_made_for_mail(tmp_path: Path) -> None:
    bodies = render_values(tmp_path, {"mail": {"enabled": True, "baseUrl": "https://join.acme.io"}})
    assert of_kind(bodies, "Secret") == []
