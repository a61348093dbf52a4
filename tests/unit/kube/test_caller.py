"""A person's command finds its cluster as kubectl does, and a program only where it is told to look."""

import os
from pathlib import Path

import pytest
import yaml

from tenure.errors import StartRefusedError
from tenure.kube.connection import connect, connect_as_caller
from tenure.kube.kubeconfig import context_names
from tenure.revocation.command import revoke
from tenure.revocation.errors import RevocationError
from tenure.revocation.options import RevokeOptions


def write(path: Path, *names: str, current: str = "") -> Path:
    """Write a kubeconfig with a cluster and a context for each name."""
    document = {
        "clusters": [{"name": f"{name}-cluster", "cluster": {"server": f"http://{name}"}} for name in names],
        "contexts": [{"name": name, "context": {"cluster": f"{name}-cluster", "namespace": name}} for name in names],
        "current-context": current or names[0],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the file of a person who sets no variable."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return write(tmp_path / ".kube" / "config", "here", "there")


async def test_without_the_variable_it_is_the_file_at_home(home: Path) -> None:
    connection = await connect_as_caller()
    assert (connection.server, connection.context, connection.namespace) == ("http://here", "here", "here")
    assert str(connection) == "cluster here-cluster, http://here (context here)"
    with pytest.raises(StartRefusedError, match=r"which cluster to use\. Set KUBECONFIG"):
        await connect()
    assert context_names(str(home)) == ["here", "there"]


async def test_the_option_chooses_another_context(home: Path) -> None:
    assert (await connect_as_caller("there")).server == "http://there"
    with pytest.raises(
        StartRefusedError, match=r"--context nowhere names 'nowhere'.* There are: here, there"
    ) as caught:
        await connect_as_caller("nowhere")
    assert str(caught.value).startswith(f"{home}: ")


async def test_the_variable_counts_before_the_file_at_home(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write(tmp_path / "other", "elsewhere")))
    assert (await connect_as_caller()).server == "http://elsewhere"
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "other"), str(home)]))
    assert (await connect_as_caller("there")).server == "http://there"


async def test_without_any_file_it_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ".kube" / "config"
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StartRefusedError, match=f"KUBECONFIG isn't set, and there is no {home}"):
        await connect_as_caller()


@pytest.mark.parametrize(
    ("context", "variable", "refused"),
    [
        pytest.param("", False, True, id="the current context"),
        pytest.param("there", False, False, id="a context"),
        pytest.param("", True, False, id="KUBECONFIG"),
    ],
)
def test_nobody_revokes_without_a_question_in_whichever_context_is_the_current_one(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    context: str,
    *,
    variable: bool,
    refused: bool,
) -> None:
    options = RevokeOptions(issued_before="0s", yes=True, context=context)
    if variable:
        monkeypatch.setenv("KUBECONFIG", str(home))
    asked: list[str] = []

    async def look(_: object, context: str) -> None:
        asked.append(context)
        raise RevocationError("it looks")

    monkeypatch.setattr("tenure.revocation.command._look", look)
    with pytest.raises(RevocationError, match="Add --context NAME" if refused else "it looks"):
        revoke(options)
    assert asked == ([] if refused else [options.context])
