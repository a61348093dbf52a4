"""A program of a kubeconfig gives credentials, until they expire or are rejected."""

import json
import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tenure.kube.credentials import Plugin
from tenure.kube.exec_plugin import ExecPlugin, PluginError
from tenure.kube.kubeconfig import ExecEntry

V1 = "client.authentication.k8s.io/v1"
FUTURE, PAST = ((datetime.now(UTC) + timedelta(hours=hours)).isoformat() for hours in (1, -1))


def answer(**status: Any) -> dict[str, Any]:
    return {"apiVersion": V1, "kind": "ExecCredential", "status": status}


def program(folder: Path, output: Any, *, code: int = 0, **fields: Any) -> Plugin:
    """Write a program that notes how often it ran and what it was told."""
    path = folder / "login"
    path.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        f"open({str(folder / 'told')!r}, 'a').write(os.environ['KUBERNETES_EXEC_INFO'] + '\\n')\n"
        f"sys.stderr.write('not\\nlogged in\\n')\nprint(os.environ.get('GIVEN') or {output!r})\nsys.exit({code})\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    entry = ExecEntry.model_validate({"apiVersion": V1, "command": str(path), **fields})
    return Plugin(ExecPlugin(entry, {"server": "https://api"}))


def told(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "told").read_text().splitlines()]


@pytest.mark.parametrize(
    ("expires", "runs"),
    [pytest.param(None, 1, id="never"), pytest.param(FUTURE, 1, id="later"), pytest.param(PAST, 3, id="already")],
)
async def test_it_runs_again_once_its_token_has_expired(tmp_path: Path, expires: str | None, runs: int) -> None:
    plugin = program(tmp_path, json.dumps(answer(token="t", expirationTimestamp=expires)))
    for _ in range(3):
        assert await plugin.authorization() == "Bearer t"
    assert len(told(tmp_path)) == runs


async def test_it_runs_again_once_for_all_requests_whose_token_was_rejected(tmp_path: Path) -> None:
    plugin = program(tmp_path, json.dumps(answer(token="t")), env=[{"name": "GIVEN", "value": ""}])
    first = await plugin.authorization()
    plugin.reject("Bearer of an earlier run")
    assert await plugin.authorization() == first
    assert len(told(tmp_path)) == 1
    plugin.reject(first)
    await plugin.authorization()
    assert len(told(tmp_path)) == 2


async def test_a_certificate_and_its_key_are_taken(tmp_path: Path) -> None:
    given = answer(clientCertificateData="CERT", clientKeyData="KEY", token=None)
    plugin = program(tmp_path, json.dumps(given))
    assert await plugin.authorization() == ""
    assert plugin.certificate() == b"CERT\nKEY"


@pytest.mark.parametrize("asks", [True, False])
async def test_it_is_told_the_cluster_only_if_it_asks(tmp_path: Path, *, asks: bool) -> None:
    plugin = program(tmp_path, json.dumps(answer(token="t")), provideClusterInfo=asks, interactiveMode="Never")
    await plugin.authorization()
    (info,) = told(tmp_path)
    assert info == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {"interactive": False, **({"cluster": {"server": "https://api"}} if asks else {})},
    }


async def test_arguments_and_variables_reach_it(tmp_path: Path) -> None:
    variables = [{"name": "GIVEN", "value": json.dumps(answer(token="given"))}]
    assert await program(tmp_path, "", env=variables).authorization() == "Bearer given"


FLAWS = {
    "ends in an error": (json.dumps(answer(token="t")), 3, "ended with exit code 3: not logged in"),
    "no JSON": ("secret", 0, "printed no ExecCredential"),
    "no object": ("[]", 0, "printed no ExecCredential"),
    "another version": (json.dumps({**answer(token="t"), "apiVersion": "v2"}), 0, f"answered in v2, not in {V1}"),
    "nothing": (json.dumps(answer()), 0, "gave neither a token nor a certificate"),
    "no status": (json.dumps({"apiVersion": V1}), 0, "gave neither a token nor a certificate"),
    "a certificate alone": (json.dumps(answer(clientCertificateData="C")), 0, "gave a certificate without its key"),
}


@pytest.mark.parametrize(("output", "code", "says"), [pytest.param(*row, id=name) for name, row in FLAWS.items()])
async def test_it_is_named_if_it_gives_nothing(tmp_path: Path, output: str, code: int, says: str) -> None:
    with pytest.raises(PluginError, match=f"exec: {tmp_path}/login {says}") as caught:
        await program(tmp_path, output, code=code).authorization()
    assert "secret" not in str(caught.value)


async def test_a_missing_program_is_named_with_its_hint() -> None:
    entry = ExecEntry(apiVersion=V1, command="no-such-login", installHint="\nbrew install no-such-login\n")
    with pytest.raises(PluginError, match=r"exec: can't run no-such-login: .*brew install no-such-login"):
        await ExecPlugin(entry, {}).credentials()


async def test_one_that_needs_a_terminal_is_refused_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:  # noqa: ASYNC230, PTH123 - it is /dev/null
        monkeypatch.setattr(sys, "stdin", nothing)
        entry = ExecEntry(apiVersion=V1, command="login", interactiveMode="Always")
        with pytest.raises(PluginError, match="there is no terminal"):
            await ExecPlugin(entry, {}).credentials()
