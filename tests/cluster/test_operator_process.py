"""The handle on the operator's process, tried on a stand-in that behaves as told."""

import os
import sys
import textwrap
from pathlib import Path

import pytest

from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually

STAND_IN = textwrap.dedent("""
    import os, signal, sys, time

    def end(number, frame):
        sys.exit(int(os.environ.get("EXIT_CODE", "0")))

    signal.signal(signal.SIGTERM, end)
    print("serving", os.environ["KUBECONFIG"], *sys.argv[1:])
    if "broken" in sys.argv:
        sys.exit("no such cluster")
    print("Tenure is ready")
    while True:
        print("tick", flush=True)
        time.sleep(0.01)
""")


def stand_in(folder: Path, *args: str, **env: str) -> OperatorProcess:
    command = [sys.executable, "-c", STAND_IN]
    return OperatorProcess(folder / "kubeconfig", folder / "operator.log", *args, command=command, env=env)


def test_is_ready_once_it_says_so_and_again_at_each_start(tmp_path: Path) -> None:
    operator = stand_in(tmp_path, "--namespace=acme")
    with operator:
        (served,) = [line for line in operator.log.splitlines() if line.startswith(f"serving {tmp_path}/kubeconfig ")]
        assert served.endswith(" --namespace=acme")
    assert (operator.running, operator.exit_code) == (False, 0)
    assert operator.is_ready

    with operator:
        assert operator.log.count("Tenure is ready") == 2


def test_an_operator_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"(?s)the operator ended with 1:.*no such cluster"):
        stand_in(tmp_path, "broken").start()


def test_sigterm_must_end_it_with_zero(tmp_path: Path) -> None:
    operator = stand_in(tmp_path, EXIT_CODE="3").start()

    with pytest.raises(AssertionError, match="ended the operator with 3 instead of 0"):
        operator.stop()


def test_it_can_be_frozen_and_killed(tmp_path: Path) -> None:
    operator = stand_in(tmp_path).start()
    operator.pause()
    eventually(lambda: Path(f"/proc/{operator.pid}/stat").read_text().split()[2] == "T", describe="it is frozen")
    before = operator.log

    operator.resume()
    eventually(lambda: len(operator.log) > len(before), describe="it goes on")

    operator.kill()
    assert operator.exit_code == -9


def test_no_setting_of_the_developers_own_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENURE_NAMESPACES", "production")
    with stand_in(tmp_path) as operator:
        environment = Path(f"/proc/{operator.pid}/environ").read_text()

    assert "TENURE_" not in environment
    assert os.environ["KUBECONFIG"] == os.devnull
