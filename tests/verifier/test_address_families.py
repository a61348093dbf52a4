"""A verifier is reached by IPv4 and IPv6, and is ready only while its own port is answered."""

import json
import sys
from pathlib import Path

import requests

from support.cluster.identity import VERIFIER, config_of
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure_dev.controlplane import ControlPlane, free_ports

UNKNOWN = "tnr_0000000000000000_0000000000000000000000000000000000000000000_000000"

DEAF = """
import json
import sys
from tenure.verifier import process

async def serve_nothing(server, listening, stop, working=()):
    await stop.wait()

process.serve = serve_nothing
from tenure.cli import main
main()
"""


def test_all_listeners_are_reached_by_both_families(control_plane: ControlPlane, tmp_path: Path) -> None:
    port, health = free_ports(2)
    command = (sys.executable, "-m", "tenure", "verifier", f"--verifier-port={port}")
    config = config_of(control_plane, VERIFIER)
    with VerifierProcess(
        config, tmp_path / "log", "--log-format=json", port=port, command=command, health_port=health
    ) as process:
        for host in ("127.0.0.1", "[::1]"):
            assert requests.get(f"http://{host}:{health}/readyz", timeout=NEVER).text == "ok\n"
            body = {"token": UNKNOWN}
            assert requests.post(f"http://{host}:{port}/v1/verify", json=body, timeout=NEVER).status_code == 200
        eventually(lambda: len(sources(process)) == 2, within=30, describe="both answers are logged")
        assert sources(process) == ["127.0.0.1", "::1"]


def sources(process: VerifierProcess) -> list[str]:
    """The addresses from which tokens were sent, as the log names them."""
    return [line["source"] for line in map(json.loads, process.log.splitlines()) if "source" in line]


def test_a_verifier_whose_port_nobody_answers_is_not_ready(control_plane: ControlPlane, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = (sys.executable, "-c", DEAF, "verifier", "--verifier-host=127.0.0.1", f"--verifier-port={port}")
    process = VerifierProcess(config_of(control_plane, VERIFIER), tmp_path / "log", port=port, command=command)
    with process.start(ready=False):
        eventually(
            lambda: process.readiness() == (503, f"port {port} hasn't answered yet"),
            within=30,
            describe="it has its index, and says that its port isn't answered",
        )
