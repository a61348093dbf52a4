"""Get the Prometheus Operator's CustomResourceDefinitions of those kinds that the chart uses."""

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
    """Return their folder, and download them from the Go module proxy first if they aren't there.

    Raises `ToolError` if the download fails or its checksum isn't the pinned one.
    """
    version, checksum = _pinned()
    folder = cache_folder() / "prometheus-operator" / version
    if not all((folder / name).exists() for name in FILES):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            source = _download(version, checksum, Path(scratch)) / "example" / "prometheus-operator-crd"
            for name in FILES:
                # A rename, so that another run never finds an incomplete file.
                (source / name).replace(folder / name)
    return folder


def _pinned() -> tuple[str, str]:
    """Return the pinned version and its checksum from go.sum."""
    path = MONITORING_MODULE / "go.sum"
    found = re.search(rf"^{re.escape(MODULE)} (v\S+) (h1:\S+)$", path.read_text(), re.MULTILINE)
    if found is None:
        raise ToolError(f"{path} pins no {MODULE}")
    return found[1], found[2]


def _download(version: str, checksum: str, scratch: Path) -> Path:
    """Download the module and return its folder. It has 31 MB, of which two files are needed."""
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
