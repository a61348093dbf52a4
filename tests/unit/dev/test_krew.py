"""The manifest of the kubectl plugin keeps krew's rules, and the archive has what the manifest names."""

import hashlib
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenure_dev.release.krew import write_plugin


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """Give the archive with a wheel, and the manifest."""
    wheel = tmp_path / "tenure-0.0.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    archive, manifest = write_plugin(tmp_path, wheel)
    document: dict[str, Any] = yaml.safe_load(manifest.read_text())
    return archive, document


def test_krew_takes_the_manifest(written: tuple[Path, dict[str, Any]]) -> None:
    archive, manifest = written
    assert (manifest["apiVersion"], manifest["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    assert re.fullmatch(r"[\w-]+", manifest["metadata"]["name"])
    spec = manifest["spec"]
    assert re.fullmatch(r"v\d+\.\d+\.\d+", spec["version"])
    assert "\n" not in spec["shortDescription"]
    assert len(spec["shortDescription"]) <= 50
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
    for platform in spec["platforms"]:
        assert set(platform) == {"selector", "uri", "sha256", "bin", "files"}
        assert set(platform["selector"]["matchLabels"]) == {"os", "arch"}
        assert platform["uri"].endswith(archive.name)
        assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
        assert {one["from"] for one in platform["files"]} == names
        assert platform["bin"] in names


@pytest.mark.parametrize(
    ("there", "runs"),
    [
        (["uv", "pipx"], "uv tool run --quiet --from {wheel} kubectl-tenure keys a b"),
        (["pipx"], "pipx run --quiet --spec {wheel} kubectl-tenure keys a b"),
        ([], ""),
    ],
)
def test_the_launcher_runs_the_wheel_beside_it(
    written: tuple[Path, dict[str, Any]], tmp_path: Path, there: list[str], runs: str
) -> None:
    store, programs = tmp_path / "store", tmp_path / "bin"
    programs.mkdir()
    with tarfile.open(written[0]) as tar:
        tar.extractall(store, filter="data")
    link = programs / "kubectl-tenure"
    link.symlink_to("../store/kubectl-tenure")
    for name in there:
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (programs / name).chmod(0o755)
    for name in ("sh", "readlink", "dirname"):
        (programs / name).symlink_to(Path("/usr/bin", name))
    done = subprocess.run(
        [str(link), "keys", "a b"], env={"PATH": str(programs)}, capture_output=True, text=True, check=False
    )
    if not runs:
        assert done.returncode == 1
        assert "needs uv or pipx" in done.stderr
        return
    wheel = programs / ".." / "store" / "tenure-0.0.0-py3-none-any.whl"
    assert done.stdout.strip() == runs.format(wheel=wheel)
