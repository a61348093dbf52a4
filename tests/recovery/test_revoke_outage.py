"""`tenure revoke` with nothing of Tenure running, with many keys, and with an end in the middle."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api.api import Api
from support.cluster.world import World
from support.faults.proxy import Proxy
from support.objects import manifests
from support.programs.operator_process import OperatorProcess
from support.programs.revocation import Caller, caller, json_of
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.resources import ApiKey
from tenure.kube.objects import PAGE_SIZE
from tenure_dev import webhooks
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT, CRDS

MANY = 560
"""More than one page, and enough to be in the middle of."""
MEMBERS = 8
NAMESPACES = {"few": 6, "many": MANY, "interrupted": MANY, "away": MANY}
IN_FLIGHT = 16
ALL = ("--issued-before=0s", "--yes")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane with organizations whose keys are issued, and nobody who judges any more."""
    folder = tmp_path_factory.mktemp("outage")
    with ControlPlane.start(find_or_build(), folder, audit=True, crds=CRDS) as plane:
        plane.kubectl("apply", "--server-side", "--filename", str(CHECKOUT / "manifests" / "roles.yaml"))
        with OperatorProcess(plane.kubeconfig, folder / "operator.log", "--no-webhooks"):
            for namespace, number in NAMESPACES.items():
                populate(plane, namespace, number)
            for namespace, number in NAMESPACES.items():
                api = Api(plane, namespace)
                World(api).wait_valid_keys(number, within=120)
                api.close()
        webhooks.install(plane)
        yield plane


def populate(plane: ControlPlane, namespace: str, number: int) -> None:
    plane.kubectl("create", "namespace", namespace)
    members = [manifests.member(f"member-{member}") for member in range(MEMBERS)]
    keys = [manifests.api_key(f"key-{key}", f"member-{key % MEMBERS}") for key in range(number)]
    items = [manifests.organization(), *members, *keys]
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    plane.kubectl("create", "--filename=-", f"--namespace={namespace}", input=document)


def owner(plane: ControlPlane, namespace: str, folder: Path) -> Caller:
    return caller(plane, namespace, "Owner", folder)


def names(plane: ControlPlane, namespace: str) -> set[str]:
    api = Api(plane, namespace)
    try:
        return {body["metadata"]["name"] for body in api.list("apikeys")}
    finally:
        api.close()


def test_an_owner_ends_keys_and_their_secrets_while_tenure_is_stopped(plane: ControlPlane, tmp_path: Path) -> None:
    api = Api(plane, "few")
    secrets = {body["metadata"]["name"] for body in api.list("secrets")}
    assert len(secrets) == NAMESPACES["few"]
    assert owner(plane, "few", tmp_path).results(*ALL, "--namespace=few") == dict.fromkeys(secrets, "Ended")
    assert api.list("apikeys") == []
    eventually(lambda: api.list("secrets") == [], within=60, describe="the garbage collector took the Secrets")
    api.close()


def test_more_keys_than_a_page_are_ended_at_most_sixteen_at_a_time(plane: ControlPlane, tmp_path: Path) -> None:
    with Proxy(plane) as proxy:
        person = Caller(proxy.kubeconfig(tmp_path / "kubeconfig"))
        results = person.results(*ALL, "-n", "many")
        lists = [one for one in proxy.exchanges if one.request.is_list and one.request.resource == "apikeys"]
        pages = [("continue" in one.request.query, one.request.query["limit"]) for one in lists]
        assert pages == [(number > 0, str(PAGE_SIZE)) for number in range(-(-MANY // PAGE_SIZE))]
        assert len(proxy.writes("apikeys")) == MANY
    assert len(results) == MANY
    assert set(results.values()) == {"Ended"}
    assert names(plane, "many") == set()


def test_an_interrupted_run_says_what_is_ended_and_the_next_one_ends_the_rest(
    plane: ControlPlane, tmp_path: Path
) -> None:
    person = owner(plane, "interrupted", tmp_path)
    process = person.start(*ALL, "-n", "interrupted", "--output=json")
    eventually(lambda: len(names(plane, "interrupted")) < MANY, within=30, every=0, describe="the first key is gone")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=NEVER)

    assert process.returncode == 1
    results = {key["name"]: key["result"] for key in json.loads(out)["keys"]}
    left = [name for name, result in results.items() if result == "Left"]
    assert len(results) == MANY
    assert set(results.values()) == {"Ended", "Left"}
    named, said = err.splitlines()
    assert named == f"tenure: cluster tenure-dev, {plane.server} (context tenure-dev)"
    assert said == f"tenure: {len(left)} keys not revoked: interrupted. Run the command again"
    assert names(plane, "interrupted") == set(left)
    assert person.results(*ALL, "-n", "interrupted") == dict.fromkeys(left, "Ended")
    assert names(plane, "interrupted") == set()


def test_an_api_server_that_goes_away_ends_the_run_with_a_list_of_what_is_left(
    plane: ControlPlane, tmp_path: Path
) -> None:
    person = owner(plane, "away", tmp_path)
    process = person.start(*ALL, "-n", "away", "--output=json")
    eventually(lambda: len(names(plane, "away")) < MANY, within=30, every=0, describe="the first key is gone")
    plane.stop_apiserver()
    out, err = process.communicate(timeout=NEVER)
    said = person.refused(*ALL, "-n", "away")
    plane.start_apiserver()
    # At once, as after a restore, while the API server still asks for time.
    rest = person.results(*ALL, "-n", "away")

    assert process.returncode == 1
    assert "Traceback" not in err
    results = {key["name"]: key["result"] for key in json.loads(out)["keys"]}
    errors = {key["name"]: key["error"] for key in json.loads(out)["keys"] if key["result"] == "Failed"}
    assert len(results) == MANY
    assert set(results.values()) == {"Ended", "Failed", "Left"}
    assert 1 <= len(errors) <= IN_FLIGHT
    assert all(
        error.startswith(f"DELETE /apis/tenure.dev/v1alpha1/namespaces/away/apikeys/{name}: ")
        for name, error in errors.items()
    )
    assert said.startswith(f"tenure: No key was revoked: the API server at {plane.server} doesn't answer: ")
    assert set(rest.values()) == {"Ended"}
    assert set(rest).isdisjoint(name for name, result in results.items() if result == "Ended")
    assert {name for name, result in results.items() if result == "Left"} <= set(rest)
    assert names(plane, "away") == set()


def test_a_missing_definition_is_said(plane: ControlPlane) -> None:
    plane.kubectl("delete", "crd", f"{ApiKey.plural}.tenure.dev", "--timeout=300s")
    said = Caller(plane.kubeconfig).refused(*ALL)
    plane.apply_crds(CRDS)
    assert f"the cluster at {plane.server} has no Tenure. Check KUBECONFIG." in said
    assert json_of(Caller(plane.kubeconfig).run(*ALL, "-o", "json"))["keys"] == []
