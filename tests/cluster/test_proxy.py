"""The proxy that tests put between the operator and the API server."""

import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from support.api.kubectl import NamespacedKubectl
from support.faults.exchange import DROP, Answer, Reply, Request
from support.faults.proxy import Proxy
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane
from tenure_dev.kubectl import Kubectl

BEGIN = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "%s"}}'


@pytest.fixture
def proxy(control_plane: ControlPlane) -> Iterator[Proxy]:
    with Proxy(control_plane) as proxy:
        yield proxy


@pytest.fixture
def through(proxy: Proxy, control_plane: ControlPlane, namespace: str, tmp_path: Path) -> NamespacedKubectl:
    """Give kubectl that goes through the proxy."""
    config = proxy.kubeconfig(tmp_path / "proxy.kubeconfig")
    return NamespacedKubectl(Kubectl(control_plane.binaries.kubectl, config, tmp_path), namespace)


def create(kubectl: NamespacedKubectl, name: str) -> subprocess.CompletedProcess[str]:
    return kubectl("create", "--filename=-", input=BEGIN % name, check=False)


def exists(kubectl: NamespacedKubectl, name: str) -> bool:
    return kubectl.get("configmap", name) is not None


def test_passes_everything_on_and_remembers_it(proxy: Proxy, through: NamespacedKubectl) -> None:
    assert create(through, "one").returncode == 0
    assert exists(through, "one")

    [write] = proxy.writes("configmaps")
    assert (write.request.method, write.status) == ("POST", 201)
    assert write.request.namespace == through.namespace
    assert write.request.json["metadata"]["name"] == "one"
    assert write.reply is not None
    assert write.reply.parsed["metadata"]["uid"]


def test_a_hook_answers_instead_of_the_api_server(proxy: Proxy, through: NamespacedKubectl) -> None:
    async def forge(request: Request) -> Answer:
        return Reply.failure(410, "Expired") if request.resource == "configmaps" else None

    proxy.on_request = forge

    assert "forged by the test" in create(through, "never").stderr
    proxy.reset()
    assert not exists(through, "never")


def test_a_dropped_request_never_arrives(proxy: Proxy, through: NamespacedKubectl) -> None:
    calls: list[str] = []
    proxy.before_write(2, lambda: calls.append("second"))

    codes = [create(through, name).returncode for name in ("one", "two", "three")]

    proxy.reset()
    assert codes == [0, 1, 1]
    assert calls == ["second"]
    assert [exists(through, name) for name in ("one", "two", "three")] == [True, False, False]


def test_a_dropped_answer_was_stored(proxy: Proxy, through: NamespacedKubectl) -> None:
    calls: list[str] = []
    proxy.after_write(2, lambda: calls.append("second"))

    codes = [create(through, name).returncode for name in ("one", "two", "three")]

    proxy.reset()
    assert codes == [0, 1, 1]
    assert calls == ["second"]
    assert [exists(through, name) for name in ("one", "two", "three")] == [True, True, False]


def test_an_answer_is_altered_on_its_way(proxy: Proxy, through: NamespacedKubectl) -> None:
    async def empty(request: Request, reply: Reply) -> Answer:
        return Reply.json({**reply.parsed, "items": []}) if request.is_list else None

    create(through, "one")
    proxy.on_response = empty

    assert through("get", "--raw", f"/api/v1/namespaces/{through.namespace}/configmaps").stdout.count('"uid"') == 0


def test_what_a_hook_raises_fails_the_test(control_plane: ControlPlane, tmp_path: Path) -> None:
    async def broken(request: Request) -> Answer:
        raise AssertionError(f"unexpected {request.method}")

    proxy = Proxy(control_plane).start()
    proxy.on_request = broken
    kubectl = Kubectl(control_plane.binaries.kubectl, proxy.kubeconfig(tmp_path / "config"), tmp_path)

    assert kubectl("get", "--raw", "/version", check=False).returncode != 0

    with pytest.raises(AssertionError, match="unexpected GET"):
        proxy.stop()


def test_it_can_pass_on_as_another_user(control_plane: ControlPlane, tmp_path: Path) -> None:
    with Proxy(control_plane, as_user="mallory") as proxy:
        kubectl = Kubectl(control_plane.binaries.kubectl, proxy.kubeconfig(tmp_path / "config"), tmp_path)

        assert 'User "mallory" cannot list' in kubectl("get", "secrets", check=False).stderr


class Watch:
    """A watch of ConfigMaps, read by a thread."""

    def __init__(self, proxy: Proxy, namespace: str) -> None:
        url = f"{proxy.url}/api/v1/namespaces/{namespace}/configmaps?watch=1"
        self.events: list[tuple[str, str]] = []
        self._response: HTTPResponse = urllib.request.urlopen(url, timeout=30)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def open(self) -> bool:
        return self._thread.is_alive()

    def join(self) -> None:
        self._thread.join(timeout=10)

    def _read(self) -> None:
        with self._response:
            try:
                for line in self._response:
                    event: dict[str, Any] = json.loads(line)
                    self.events.append((event["type"], event["object"]["metadata"]["name"]))
            except (OSError, ValueError):
                pass  # Cut.


def test_watches_are_streamed_and_cut(proxy: Proxy, through: NamespacedKubectl) -> None:
    watch = Watch(proxy, through.namespace)
    create(through, "one")
    eventually(lambda: ("ADDED", "one") in watch.events)

    assert proxy.cut_watches() == 1

    eventually(lambda: not watch.open, describe="the client has noticed")
    watch.join()


def test_watch_events_get_lost(proxy: Proxy, through: NamespacedKubectl) -> None:
    async def lose(request: Request, line: bytes) -> bytes | None:
        del request
        return None if b'"lost"' in line else line

    proxy.on_watch_line = lose
    watch = Watch(proxy, through.namespace)

    create(through, "lost")
    create(through, "seen")

    eventually(lambda: ("ADDED", "seen") in watch.events)
    assert ("ADDED", "lost") not in watch.events
    proxy.cut_watches()
    watch.join()


def test_a_dropped_request_is_a_lost_connection(proxy: Proxy) -> None:
    async def drop(request: Request) -> Answer:
        del request
        return DROP

    proxy.on_request = drop

    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(f"{proxy.url}/version", timeout=5)
