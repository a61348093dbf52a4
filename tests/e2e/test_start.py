"""A start that can't succeed is refused with one line that names what is wrong and says what to do."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.programs.operator_process import OperatorProcess
from support.programs.refused_start import USAGE, refused_start
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS

UNUSED_PORT = "https://127.0.0.1:1"

NAMESPACE = "lower-case letters, digits and dashes, at most 63"
USAGES = {
    "time out of range": (["--resync", "0"], {}, ["--resync", "TENURE_RESYNC", "greater than or equal to 1"]),
    "variable out of range": ([], {"TENURE_RESYNC": "0.5"}, ["TENURE_RESYNC", "greater than or equal to 1"]),
    "unknown level": (["--log-level", "loud"], {}, ["--log-level", "'debug', 'info', 'warning', 'error'"]),
    "unknown format": ([], {"TENURE_LOG_FORMAT": "xml"}, ["TENURE_LOG_FORMAT", "'text', 'json'"]),
    "namespace in upper case": (["--namespace", "Acme"], {}, ["--namespace", "'Acme'", NAMESPACE]),
    "namespace of 64 characters": (["--namespace", "a" * 64], {}, ["--namespace", "a" * 64, NAMESPACE]),
    "empty namespace": (["--namespace", ""], {}, ["--namespace", "''", NAMESPACE]),
    "commas between namespaces": ([], {"TENURE_NAMESPACES": "a,b"}, ["TENURE_NAMESPACES", "'a,b'", NAMESPACE]),
    "unknown option": (["--namespaces", "acme"], {}, ["--namespaces"]),
}
TEXTS = {
    "empty": (b"", "isn't a kubeconfig file"),
    "text": (b"hello", "isn't a kubeconfig file"),
    "broken YAML": (b"clusters:\n  - a\n b: c\n", "line 3"),
    "binary": (b"\x00\xea\xff\xfe", "isn't a kubeconfig file"),
    "no such context": (b"{current-context: nope, clusters: [], users: [], contexts: []}", "nope"),
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane that Tenure isn't installed on yet."""
    with ControlPlane.start(find_or_build(), tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.mark.parametrize(("args", "env", "words"), [pytest.param(*row, id=name) for name, row in USAGES.items()])
def test_a_malformed_setting_is_named_with_what_is_allowed(
    args: list[str], env: Mapping[str, str], words: list[str]
) -> None:
    message = refused_start(None, *args, code=USAGE, env=env)
    assert [word for word in words if word not in message] == [], message


def test_an_unknown_setting_is_named_and_the_known_ones_too(control_plane: ControlPlane) -> None:
    env = {"TENURE_RESYNK": "3", "TENURE_SERVICE_HOST": "10.0.0.1", "TENURE_SERVICE_PORT_HTTPS": "443"}
    message = refused_start(control_plane.kubeconfig, env=env)
    assert message.startswith("tenure: unknown variable TENURE_RESYNK. ")
    assert all(f"TENURE_{name}" in message for name in ("NAMESPACES", "RESYNC", "LOG_LEVEL", "LOG_FORMAT"))
    assert "SERVICE" not in message


def test_without_a_cluster_it_says_how_to_name_one() -> None:
    message = refused_start(None)
    assert "Set KUBECONFIG to the path of a kubeconfig file, or run Tenure in a pod" in message


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    message = refused_start(tmp_path / "none")
    assert f"KUBECONFIG={tmp_path / 'none'}" in message
    assert "No such file or directory" in message


def test_a_kubeconfig_that_is_a_folder(tmp_path: Path) -> None:
    message = refused_start(tmp_path)
    assert f"KUBECONFIG={tmp_path}" in message
    assert "Is a directory" in message


@pytest.mark.parametrize(("text", "says"), [pytest.param(*row, id=name) for name, row in TEXTS.items()])
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: bytes, says: str) -> None:
    (tmp_path / "config").write_bytes(text)
    message = refused_start(tmp_path / "config")
    assert f"KUBECONFIG={tmp_path / 'config'}" in message
    assert says in message


def test_a_server_that_is_unreachable(control_plane: ControlPlane, tmp_path: Path) -> None:
    config = edited(control_plane, tmp_path, "server", UNUSED_PORT)
    message = refused_start(config)
    assert f"the API server at {UNUSED_PORT} doesn't answer" in message


def test_a_server_that_is_no_api_server(control_plane: ControlPlane, etcd: str, tmp_path: Path) -> None:
    config = edited(control_plane, tmp_path, "server", etcd)
    message = refused_start(config)
    assert etcd in message
    assert "isn't a Kubernetes API server" in message


def test_a_server_whose_certificate_is_not_trusted(control_plane: ControlPlane, tmp_path: Path) -> None:
    config = edited(control_plane, tmp_path, "certificate-authority-data", None)
    message = refused_start(config)
    assert control_plane.server in message
    assert "certificate verify failed" in message


def test_credentials_that_the_server_does_not_know(control_plane: ControlPlane, tmp_path: Path) -> None:
    config = edited(control_plane, tmp_path, "user", {"token": "made up"})
    message = refused_start(config)
    assert f"the API server at {control_plane.server} rejects this process's credentials" in message
    assert "Unauthorized" in message


def test_definitions_that_are_missing_or_older_than_the_code(plane: ControlPlane, tmp_path: Path) -> None:
    message = refused_start(plane.kubeconfig)
    assert "CustomResourceDefinition organizations.tenure.dev is missing" in message
    assert "kubectl apply --server-side -f crds/" in message

    fields = {"organizations": "suspended", "memberships": "role", "apikeys": "revision"}
    for plural, field in fields.items():
        apply(plane, definition(plural, without=field))
    for plural, field in fields.items():
        message = refused_start(plane.kubeconfig)
        assert f"CustomResourceDefinition {plural}.tenure.dev is older than this version" in message
        assert f"spec.{field}" in message
        assert "kubectl apply --server-side -f crds/" in message
        apply(plane, definition(plural))

    with OperatorProcess(plane.kubeconfig, tmp_path / "operator.log") as operator:
        assert "watching all namespaces" in operator.log


def edited(plane: ControlPlane, folder: Path, field: str, value: object) -> Path:
    """Write a copy of the administrator's kubeconfig with another server, authority or user, and return its path."""
    config = yaml.safe_load(plane.kubeconfig.read_text())
    if field == "user":
        config["users"][0]["user"] = value
    else:
        cluster = config["clusters"][0]["cluster"]
        cluster.pop(field)
        cluster.update({} if value is None else {field: value})
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return path


def test_older_definitions_of_a_helm_release_name_helms_command(plane: ControlPlane) -> None:
    for plural in ("organizations", "memberships"):
        apply(plane, definition(plural))
    older = definition("apikeys", without="revision")
    marks = {"meta.helm.sh/release-name": "keys", "meta.helm.sh/release-namespace": "tenure-system"}
    older["metadata"]["annotations"] = marks
    apply(plane, older)
    message = refused_start(plane.kubeconfig)
    assert "CustomResourceDefinition apikeys.tenure.dev is older than this version of Tenure" in message
    assert message.endswith(
        "You installed it with Helm, so update it with: helm upgrade keys helm/tenure --namespace tenure-system "
        "--reset-then-reuse-values --set crds.enabled=true"
    )
    apply(plane, definition("apikeys"))


def definition(plural: str, *, without: str | None = None) -> dict[str, Any]:
    """Return a kind's CustomResourceDefinition, without a field of its spec and the rules that speak of it."""
    body: dict[str, Any] = yaml.safe_load((CRDS / f"{plural}.yaml").read_text())
    if without is not None:
        version = body["spec"]["versions"][0]
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        del spec["properties"][without]
        spec.pop("x-kubernetes-validations", None)
        spec["required"] = [name for name in spec.get("required", ()) if name != without]
        version["selectableFields"] = [
            field for field in version.get("selectableFields", ()) if field["jsonPath"] != f".spec.{without}"
        ]
    return body


def apply(plane: ControlPlane, body: Mapping[str, Any]) -> None:
    plane.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(body))
    plane.kubectl("wait", "--for=condition=Established", "--timeout=300s", f"crd/{body['metadata']['name']}")
