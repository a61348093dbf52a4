"""When keys were last used: the leader asks every verifier, and says nothing that it doesn't know."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests

from support.api.client import Client
from support.api.kubectl import NamespacedKubectl
from support.cluster.identity import CONTROLLER, VERIFIER, config_of
from support.cluster.verified import known, wait_code
from support.cluster.world import World
from support.objects.manifests import api_key, member, organization
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.serving import QuietHandler, serving
from support.run.slowness import NEVER
from tenure.domain.tokens import Token
from tenure_dev.chart import NAMESPACE
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT

Status = dict[str, Any]


@pytest.fixture
def token_file(control_plane: ControlPlane, tmp_path: Path) -> Path:
    """Give the file that the kubelet would project into the controller's pod."""
    config_of(control_plane, CONTROLLER)
    client = Client(control_plane, NAMESPACE)
    file = tmp_path / "usage-token"
    file.write_text(client.service_token("tenure-controller", "tenure-usage"))
    client.close()
    return file


@contextmanager
def recording(plane: ControlPlane, world: World, folder: Path, *urls: str) -> Iterator[OperatorProcess]:
    """Run an operator that asks these verifiers every two seconds."""
    options = [f"--namespace={world.api.namespace}", "--usage-interval=2", *(f"--usage-url={url}" for url in urls)]
    log = folder / "operator.log"
    with OperatorProcess(
        config_of(plane, CONTROLLER), log, *options, f"--usage-token-file={folder / 'usage-token'}"
    ) as operator:
        yield operator


@contextmanager
def verifiers(plane: ControlPlane, world: World, folder: Path) -> Iterator[tuple[VerifierProcess, VerifierProcess]]:
    config, served = config_of(plane, VERIFIER), f"--namespace={world.api.namespace}"
    with (
        VerifierProcess(config, folder / "first.log", served) as first,
        VerifierProcess(config, folder / "second.log", served) as second,
    ):
        yield first, second


def status(world: World, plural: str, name: str) -> Status:
    body = world.api.get(plural, name)
    assert body is not None
    found: Status = body.get("status", {})
    return found


def last_used(world: World, name: str) -> str:
    return str(status(world, "apikeys", name).get("lastUsed", ""))


def usage_since(world: World) -> str:
    return str(status(world, "organizations", "acme").get("usageSince", ""))


@pytest.mark.usefixtures("token_file")
def test_each_verifier_sees_half_and_a_silent_one_makes_use_unknown(
    control_plane: ControlPlane, world: World, tmp_path: Path
) -> None:
    began = datetime.now(UTC).date()
    names = ("left", "right", "idle")
    world.create(organization(), member("alice"), *(api_key(name, "alice") for name in names))
    with verifiers(control_plane, world, tmp_path) as (first, second):
        with recording(control_plane, world, tmp_path, first.url, second.url):
            tokens = world.issue(*names, within=30)
            known(world, first, "left")
            known(world, second, "right")
            for name in ("left", "right"):
                eventually(partial(last_used, world, name), within=60, describe=f"the use of {name}")
                assert began <= datetime.fromisoformat(last_used(world, name)).date() <= datetime.now(UTC).date()
            assert last_used(world, "idle") == ""
            check_former_use(world, second, "left", tokens["left"])
            since = eventually(lambda: usage_since(world), within=60, describe="use is known")
            second.kill()
            eventually(lambda: not usage_since(world), within=60, describe="use isn't known without the second")
            assert first.code(tokens["idle"]) == "Valid"
            eventually(lambda: last_used(world, "idle"), within=60, describe="what the first one says is still written")
            second.start()
            anew = eventually(lambda: usage_since(world), within=60, describe="use is known again")
            assert anew > since, "the record of the second one is lost"
        assert "Traceback" not in (tmp_path / "operator.log").read_text()


def check_former_use(world: World, verifier: VerifierProcess, name: str, old: Token) -> None:
    """Rotate a key, and check that its status and a warning say in which minute its former token was used."""
    world.change_key(name, rotation={"request": 1, "overlap": "20h"})
    began = datetime.now(UTC).replace(second=0, microsecond=0)
    new = world.wait_new_token(name, old, within=60)
    wait_code(verifier, new, "Valid")

    def minute() -> str:
        assert verifier.code(old) == "Valid"
        return str(status(world, "apikeys", name).get("previous", {}).get("lastUsedAt", ""))

    eventually(minute, within=60, describe="the use of the former token")
    assert began <= datetime.fromisoformat(minute()) <= datetime.now(UTC)


class Impostor(QuietHandler):
    """Listens where a verifier should, keeps what it is shown, and sends its visitors on."""

    elsewhere: ClassVar[str] = ""
    shown: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        type(self).shown.append(dict(self.headers))
        self.send_response(302 if len(self.shown) % 2 else 200)
        self.send_header("Location", self.elsewhere)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def test_who_answers_in_a_verifiers_place_gets_nothing_that_the_api_server_accepts(
    control_plane: ControlPlane, world: World, tmp_path: Path, token_file: Path
) -> None:
    Impostor.shown, Impostor.elsewhere = [], control_plane.server
    world.create(organization(), member("alice"), api_key("laptop", "alice"))
    with serving(Impostor) as port, recording(control_plane, world, tmp_path, f"http://127.0.0.1:{port}"):
        world.issue("laptop", within=30)
        eventually(lambda: len(Impostor.shown) > 4, within=60, describe="it was asked again and again")
    assert {headers.get("Authorization") for headers in Impostor.shown} == {f"Bearer {token_file.read_text()}"}
    assert not {"Cookie", "Proxy-Authorization"} & {name for headers in Impostor.shown for name in headers}
    for headers in Impostor.shown[:1]:
        path = f"{control_plane.server}/apis/tenure.dev/v1alpha1/namespaces/{world.api.namespace}/apikeys"
        given = {"Authorization": headers["Authorization"]}
        answer = requests.get(path, headers=given, verify=str(control_plane.certificate_authority), timeout=NEVER)
        assert answer.status_code == 401, answer.text
    assert usage_since(world) == ""
    assert last_used(world, "laptop") == ""


@pytest.mark.usefixtures("token_file")
def test_a_token_for_the_api_server_is_not_shown(
    control_plane: ControlPlane, world: World, tmp_path: Path, token_file: Path
) -> None:
    Impostor.shown = []
    client = Client(control_plane, NAMESPACE)
    token_file.write_text(client.service_token("tenure-controller"))
    client.close()
    with serving(Impostor) as port, recording(control_plane, world, tmp_path, f"http://127.0.0.1:{port}") as operator:
        eventually(lambda: operator.log.count("can't be asked") > 1, within=60, describe="it says why not")
        assert "must be for the audience tenure-usage alone" in operator.log
    assert Impostor.shown == []


@pytest.mark.usefixtures("token_file")
def test_the_how_to_finds_an_unused_key(
    control_plane: ControlPlane, world: World, kubectl: NamespacedKubectl, tmp_path: Path
) -> None:
    """Apply what the page tells people to apply, move the record 100 days back, and run what it tells them to run."""
    page = (CHECKOUT / "docs" / "howto" / "find-unused-keys.md").read_text()
    world.create(organization(), member("alice"), api_key("laptop", "alice"), api_key("ci-deploy", "alice"))
    with (
        verifiers(control_plane, world, tmp_path) as (first, second),
        recording(control_plane, world, tmp_path, first.url, second.url),
    ):
        world.issue("laptop", "ci-deploy", within=30)
        known(world, first, "ci-deploy")
        eventually(lambda: last_used(world, "ci-deploy"), within=60, describe="ci-deploy is in use")
        eventually(lambda: usage_since(world), within=60, describe="use is known")
        for line in commands(page)[:1]:
            kubectl(*line)
        backdate(world)
        eventually(
            lambda: world.reason("apikeys", "laptop", "Unused") == "NotUsed", within=60, describe="laptop is unused"
        )
        assert world.reason("apikeys", "ci-deploy", "Unused") is None
        found = [kubectl(*line).stdout for line in commands(page)[1:]]
        told = {line.split()[0]: line for line in found[0].splitlines()}
        assert "Not used since" in told["laptop"]
        assert "<none>" in told["ci-deploy"]
        assert all(text.strip() for text in found[:-1]), found
        eventually(lambda: world.events("NotUsed"), within=30, describe="an Event")


def commands(page: str) -> list[list[str]]:
    """The words of the page's lines that begin with kubectl, without the namespace, which is the test's here."""
    lines = [line.strip() for line in page.splitlines() if line.strip().startswith("kubectl ")]
    return [shlex.split(line.replace(" -n acme", ""))[1:] for line in lines]


def backdate(world: World) -> None:
    """Make the record and the unused key 100 days older."""
    past = (datetime.now(UTC) - timedelta(days=100)).isoformat(timespec="seconds")
    conditions = status(world, "apikeys", "laptop")["conditions"]
    older = [{**one, "lastTransitionTime": past} for one in conditions]
    world.api.patch("apikeys", "laptop", {"status": {"conditions": older}}, subresource="status")
    world.api.patch("organizations", "acme", {"status": {"usageSince": past}}, subresource="status")
