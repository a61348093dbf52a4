"""Where the control plane's programs are looked for."""

import fcntl
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import pytest

from tenure_dev.binaries import CONTROL_PLANE, find
from tenure_dev.build import built
from tenure_dev.engines import build
from tenure_dev.errors import ToolError
from tenure_dev.paths import cache_folder
from tenure_dev.tools import TOOLS


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("TENURE_CACHE", str(tmp_path / "cache"))


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch(mode=0o755)
    return folder


def test_the_variable_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fill(CONTROL_PLANE.folder, *CONTROL_PLANE.programs)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(fill(tmp_path / "assets", *CONTROL_PLANE.programs)))

    found = find()

    assert found is not None
    assert found.kubectl == tmp_path / "assets" / "kubectl"


def test_an_incomplete_folder_is_an_error_that_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assets = fill(tmp_path / "assets", "etcd", "kube-apiserver", "kubectl")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))

    with pytest.raises(ToolError, match="has no executable kube-controller-manager"):
        find()


def test_then_the_cache() -> None:
    assert find() is None

    fill(CONTROL_PLANE.folder, *CONTROL_PLANE.programs)

    found = find()
    assert found is not None
    assert found.folder == CONTROL_PLANE.folder


def test_other_pins_mean_another_folder(tmp_path: Path) -> None:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("go 1.26.0\n\nrequire (\n\tk8s.io/kubernetes v1.37.2 // indirect\n)\n")
    (module / "go.sum").write_text("")
    pinned = replace(CONTROL_PLANE, source=module)
    before = pinned.folder
    (module / "go.sum").write_text("example.org/module v1.0.0 h1:0\n")

    assert pinned.version == "v1.37.2"
    assert pinned.go == (1, 26, 0)
    assert before.name.startswith("v1.37.2-")
    assert pinned.folder != before


def test_files_beside_the_programs_can_be_missing_too(tmp_path: Path) -> None:
    module = replace(TOOLS, files={"install.yaml": ("example.org/module", "manifests/install.yaml")})
    folder = fill(tmp_path / "tools", *module.programs)
    assert module.missing(folder) == ["install.yaml"]

    (folder / "install.yaml").touch()
    assert module.missing(folder) == []


def test_other_files_and_flags_mean_another_folder() -> None:
    files = {"install.yaml": ("example.org/module", "manifests/install.yaml")}
    modules = (TOOLS, replace(TOOLS, files=files), replace(TOOLS, compile_flags="-N"))
    assert len({module.folder for module in modules}) == len(modules)
    assert "-gcflags=all=-N" in modules[2].build_flags


@pytest.mark.parametrize("names", [["fluxx"], ["flux", "fluxx"]])
def test_an_engine_that_nobody_knows_is_an_error_that_names_those_there_are(names: list[str]) -> None:
    with pytest.raises(ToolError, match=r"no engine fluxx\. The engines are flux, argocd"):
        build(names)


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("TENURE_CACHE", "/chosen")
    assert cache_folder() == Path("/chosen")

    monkeypatch.delenv("TENURE_CACHE")
    assert cache_folder() == Path("/xdg/tenure")

    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("/home/somebody/.cache/tenure")


def test_only_one_module_is_built_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share Go's caches, and whoever is done removes these: two builds at once failed for want of sources."""
    lock = cache_folder() / "go.lock"
    lock.parent.mkdir(parents=True)
    monkeypatch.setattr("tenure_dev.build._build", lambda module, _: fill(module.folder, *module.programs))
    with lock.open("w") as held, ThreadPoolExecutor() as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        builds = [pool.submit(built, module) for module in (CONTROL_PLANE, TOOLS)]
        assert not wait(builds, timeout=0.2).done
        fcntl.flock(held, fcntl.LOCK_UN)
        assert [build.result(timeout=30) for build in builds] == [CONTROL_PLANE.folder, TOOLS.folder]
