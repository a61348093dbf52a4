"""The Prometheus Operator's own CustomResourceDefinitions, of the kinds that the chart has objects of."""

import json
import re
import subprocess
import tempfile
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.paths import MONITORING_MODULE, cache_folder
from tenure_dev.toolchain import find_toolchain

MODULE = "github.com/prometheus-operator/prometheus-operator"
FILES = tuple(f"monitoring.coreos.com_{plural}.yaml" for plural in ("prometheusrules", "servicemonitors"))

_OLDEST_GO = (1, 26, 0)


def find_or_fetch() -> Path:
    """Return the folder that holds them, and fetch them from the Go module proxy first if they aren't there.

    Raises `ToolError` if they can't be had, or aren't those that are pinned.
    """
    version, checksum = _pinned()
    folder = cache_folder() / "prometheus-operator" / version
    if not all((folder / name).exists() for name in FILES):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            source = _download(version, checksum, Path(scratch)) / "example" / "prometheus-operator-crd"
            for name in FILES:
                # It appears whole: another run may look for it.
                (source / name).replace(folder / name)
    return folder


def _pinned() -> tuple[str, str]:
    """The version, and the checksum that go.sum has of it."""
    path = MONITORING_MODULE / "go.sum"
    found = re.search(rf"^{re.escape(MODULE)} (v\S+) (h1:\S+)$", path.read_text(), re.MULTILINE)
    if found is None:
        raise ToolError(f"{path} pins no {MODULE}")
    return found[1], found[2]


def _download(version: str, checksum: str, scratch: Path) -> Path:
    """The module's folder; 31 MB, of use for two files only."""
    toolchain = find_toolchain(_OLDEST_GO)
    places = {"GOMODCACHE": "mod", "GOCACHE": "build", "XDG_CONFIG_HOME": "config"}
    result = subprocess.run(
        [toolchain.go, "mod", "download", "-json", f"{MODULE}@{version}"],
        cwd=scratch,
        env=toolchain.environment | {name: str(scratch / place) for name, place in places.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise ToolError(f"{MODULE} {version} can't be downloaded:\n{result.stderr.strip() or result.stdout.strip()}")
    said = json.loads(result.stdout)
    if said["Sum"] != checksum:
        raise ToolError(f"{MODULE} {version} has the checksum {said['Sum']}, and go.sum says {checksum}")
    return Path(said["Dir"])
