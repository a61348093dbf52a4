"""The embedded control plane itself: what the other tests take for granted."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api.audit import Audit
from support.api.kubectl import NamespacedKubectl
from support.programs.processes import running_in
from support.run.eventually import eventually
from tenure_dev import controlplane
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.errors import ToolError
from tenure_dev.kubectl import KubectlError

PROGRAMS = ["etcd", "kube-apiserver", "kube-controller-manager"]


@pytest.fixture(scope="module")
def second_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane.start(find_or_build(), tmp_path_factory.mktemp("second")) as plane:
        yield plane


@pytest.fixture
def doomed_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    with ControlPlane.start(find_or_build(), tmp_path / "doomed") as plane:
        yield plane


def config_map(name: str, **metadata: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def test_serves_tenures_kinds(kubectl: NamespacedKubectl) -> None:
    served = kubectl("api-resources", "--api-group=tenure.dev", "--output=name").stdout.split()

    assert sorted(served) == ["apikeys.tenure.dev", "memberships.tenure.dev", "organizations.tenure.dev"]


def test_an_object_whose_owner_goes_is_collected(kubectl: NamespacedKubectl) -> None:
    kubectl.apply(config_map("owner"))
    owner = kubectl.get("configmap", "owner")
    assert owner is not None
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    kubectl.apply(config_map("owned", ownerReferences=[reference]))

    kubectl("delete", "configmap", "owner")

    eventually(lambda: kubectl.get("configmap", "owned") is None, describe="the owned object is gone")


def test_the_collector_knows_tenures_kinds_from_the_start(kubectl: NamespacedKubectl) -> None:
    # It looks for new kinds every 30 seconds only, so the CRDs must be there before the controller manager is.
    api_key = {
        "apiVersion": "tenure.dev/v1alpha1",
        "kind": "ApiKey",
        "metadata": {"name": "owner"},
        "spec": {"membership": "alice", "access": "View"},
    }
    kubectl.apply(api_key)
    owner = kubectl.get("apikey", "owner")
    assert owner is not None
    reference = {key: api_key[key] for key in ("apiVersion", "kind")}
    reference |= {"name": "owner", "uid": owner["metadata"]["uid"]}
    kubectl.apply(config_map("owned", ownerReferences=[reference]))

    kubectl("delete", "apikey", "owner")

    eventually(lambda: kubectl.get("configmap", "owned") is None, describe="the owned object is gone")


def test_service_accounts_get_tokens_that_authenticate(kubectl: NamespacedKubectl, control_plane: ControlPlane) -> None:
    eventually(lambda: kubectl.get("serviceaccount", "default"), describe="the default account")
    token = kubectl("create", "token", "default").stdout.strip()
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    }

    answer = control_plane.kubectl("create", "--filename=-", "--output=json", input=json.dumps(review))

    user = json.loads(answer.stdout)["status"]["user"]["username"]
    assert user == f"system:serviceaccount:{kubectl.namespace}:default"


def test_rbac_decides(kubectl: NamespacedKubectl) -> None:
    with pytest.raises(KubectlError, match="Forbidden"):
        kubectl("get", "secrets", as_user="mallory")


def test_cluster_roles_are_aggregated(control_plane: ControlPlane) -> None:
    rules = "--output=jsonpath={.rules[*].resources[*]}"

    assert "configmaps" in control_plane.kubectl("get", "clusterrole", "view", rules).stdout


def test_the_audit_log_is_complete_at_once(kubectl: NamespacedKubectl, audit: Audit) -> None:
    for number in range(3):
        kubectl.apply(config_map(f"counted-{number}"))

    writes = [entry for entry in audit.writes(resource="configmaps") if entry.name.startswith("counted-")]

    assert [(entry.verb, entry.code) for entry in writes] == [("create", 201)] * 3


def test_kubectl_reads_nothing_of_the_users_own(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "kuberc").write_text("not even YAML: [")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))

    assert control_plane.kubectl("version").returncode == 0


def test_two_run_side_by_side(control_plane: ControlPlane, second_plane: ControlPlane) -> None:
    second_plane.kubectl("create", "namespace", "only-here")

    assert control_plane.server != second_plane.server
    assert control_plane.kubectl("get", "namespace", "only-here", check=False).returncode != 0


def test_a_restarted_api_server_has_the_same_address_and_objects(second_plane: ControlPlane) -> None:
    second_plane.kubectl("create", "namespace", "kept")

    second_plane.restart_apiserver()

    assert "kept" in second_plane.kubectl("get", "namespaces", "--output=name").stdout
    second_plane.check()


def test_a_namespace_ends_with_everything_in_it_but_not_without_a_controller_manager(
    second_plane: ControlPlane,
) -> None:
    kubectl = NamespacedKubectl(second_plane.kubectl, "ending")
    second_plane.kubectl("create", "namespace", "ending")
    kubectl.apply(config_map("inside"))
    second_plane.stop_controller_manager()

    second_plane.kubectl("delete", "namespace", "ending", "--wait=false")
    assert "Terminating" in second_plane.kubectl("get", "namespace", "ending").stdout
    second_plane.start_controller_manager()

    second_plane.kubectl("wait", "--for=delete", "namespace/ending", "--timeout=300s")
    assert kubectl.get("configmap", "inside") is None


@pytest.mark.parametrize("lost", ["etcd", "kube-apiserver"])
def test_a_port_that_another_program_takes_first_is_given_up(
    lost: str, tmp_path: Path, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = {"etcd": control_plane.etcd_endpoint, "kube-apiserver": control_plane.server}[lost]
    chosen = controlplane.free_ports(2)
    chosen[PROGRAMS.index(lost)] = int(taken.rpartition(":")[2])
    choices = [chosen, controlplane.free_ports(2)]
    monkeypatch.setattr(controlplane, "free_ports", lambda count: choices.pop(0)[:count])

    with ControlPlane.start(find_or_build(), tmp_path) as plane:
        assert plane.server != control_plane.server
        assert plane.kubectl("get", "namespaces").stdout.count("test-") == 0
    assert not choices


def test_a_program_that_cannot_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"(?s)kube-apiserver ended with exit code 1.*unknown flag: --no-such-flag"):
        ControlPlane.start(find_or_build(), tmp_path, apiserver_args=["--no-such-flag"])

    assert running_in(tmp_path) == {}


def test_a_program_that_dies_is_noticed_and_stopping_twice_is_harmless(doomed_plane: ControlPlane) -> None:
    os.kill(running_in(doomed_plane.folder)["etcd"], signal.SIGKILL)
    eventually(lambda: not doomed_plane.running, describe="it is noticed")

    with pytest.raises(ToolError, match="etcd ended with exit code -9"):
        doomed_plane.check()

    doomed_plane.stop()
    doomed_plane.stop()
    assert running_in(doomed_plane.folder) == {}


def test_a_killed_parent_leaves_no_process_behind(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from tenure_dev.build import find_or_build
        from tenure_dev.controlplane import ControlPlane

        with ControlPlane.start(find_or_build(), Path(sys.argv[1])):
            print("ready", flush=True)
            time.sleep(600)
    """)
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        assert running_in(tmp_path).keys() >= set(PROGRAMS)

        parent.kill()

    eventually(lambda: not running_in(tmp_path), within=5, describe="all three programs are gone")
