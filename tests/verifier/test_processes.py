"""A verifier of two processes answers as one: in time, in its health, in its metrics and in its record of use."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from support.cluster.identity import VERIFIER, config_of
from support.cluster.verified import known_key, let_read, service_token
from support.cluster.world import World
from support.objects.manifests import api_key
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.tokens import Token
from tenure_dev.controlplane import ControlPlane

OPTIONS = ("--processes", "2", "--log-format", "json")
HEAD = b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"


@pytest.fixture
def family(control_plane: ControlPlane, tmp_path: Path) -> Iterator[VerifierProcess]:
    with VerifierProcess(config_of(control_plane, VERIFIER), tmp_path / "verifier.log", *OPTIONS) as verifier:
        yield verifier


def answers(verifier: VerifierProcess) -> list[int]:
    """The number of the process that gave each answer."""
    lines = map(json.loads, verifier.log.splitlines())
    return [line["process_number"] for line in lines if line.get("logger") == "tenure.verify" and "code" in line]


def code(verifier: VerifierProcess, session: requests.Session, token: Token) -> str:
    answer = session.post(f"{verifier.url}/v1/verify", json={"token": token.reveal()}, timeout=NEVER)
    return str(answer.json().get("code", ""))


@contextmanager
def one_each(verifier: VerifierProcess, token: Token) -> Iterator[list[requests.Session]]:
    """Keep a connection to each process: the kernel chooses by the client's port."""
    with ExitStack() as stack:
        found: dict[int, requests.Session] = {}
        while len(found) < 2:
            session = stack.enter_context(requests.Session())
            before = len(answers(verifier))
            code(verifier, session, token)
            eventually(lambda: len(answers(verifier)) > before, within=30, describe="the answer is logged")  # noqa: B023
            found[answers(verifier)[-1]] = session
        yield [found[number] for number in sorted(found)]


def test_all_processes_answer_as_one(control_plane: ControlPlane, world: World, family: VerifierProcess) -> None:
    namespace, first = world.api.namespace, known_key(world, family)
    world.create(api_key("desktop", "alice"))
    second = world.issue("desktop", within=30)["desktop"]
    let_read(control_plane, namespace)
    reader = {"Authorization": f"Bearer {service_token(control_plane, namespace, 'tenure-usage')}"}

    def used(session: requests.Session) -> set[str]:
        query = {"namespace": namespace}
        answer = session.get(f"{family.url}/v1/usage", params=query, headers=reader, timeout=NEVER)
        answer.raise_for_status()
        return set(answer.json()["keys"])

    with one_each(family, first) as sessions:
        eventually(lambda: code(family, sessions[1], second) == "Valid", within=30, describe="the second one knows it")
        for session in sessions:
            eventually(lambda: used(session) == {first.key_id, second.key_id}, within=30, describe="all uses")  # noqa: B023
        given = len(answers(family))
        _, text = family.ask("metrics")
        counted = [line for line in text.splitlines() if line.startswith("tenure_verify_total{")]
        assert sum(float(line.rpartition(" ")[2]) for line in counted) == given
        world.change_role("alice", "Viewer")
        for session in sessions:
            eventually(lambda: code(family, session, first) == "RoleChanged", within=30, describe="it is revoked")  # noqa: B023
        stuck = psutil.Process(family.pid).children()[1]
        stuck.send_signal(signal.SIGSTOP)
        try:
            assert family.readiness() == (503, "process 2: no answer in time")
            assert family.ask("livez")[0] == 503
            query = {"namespace": namespace}
            answer = sessions[0].get(f"{family.url}/v1/usage", params=query, headers=reader, timeout=NEVER)
            assert answer.status_code == 503, "a use that only the other one knows would be missing"
        finally:
            stuck.send_signal(signal.SIGCONT)
        eventually(lambda: family.readiness() == (200, "ok"), within=30, describe="it is ready again")


def test_sigterm_lets_all_processes_finish_their_requests(world: World, family: VerifierProcess) -> None:
    token = known_key(world, family)
    body = json.dumps({"token": token.reveal()}).encode()
    with ExitStack() as stack:
        waiting = [stack.enter_context(socket.create_connection(("127.0.0.1", family.port))) for _ in range(20)]
        for connection in waiting:
            connection.settimeout(NEVER)
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
            assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        family.terminate()
        for connection in waiting:
            connection.sendall(body)
        for connection in waiting:
            assert b'"code": "Valid"' in b"".join(iter(lambda: connection.recv(1000), b""))  # noqa: B023
    eventually(lambda: not family.running, within=10, describe="it has stopped")
    assert family.exit_code == 0
    assert len(set(answers(family)[-20:])) == 2, "both processes had requests"


def test_all_end_if_one_is_killed(family: VerifierProcess) -> None:
    killed, other = psutil.Process(family.pid).children()
    killed.kill()
    eventually(lambda: not family.running, within=30, describe="all have ended")
    assert family.exit_code == 1
    assert "tenure: process 1 of 2 was killed (SIGKILL)" in family.log
    assert not other.is_running()
