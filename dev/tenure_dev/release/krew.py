"""Write the archive and the manifest by which krew, the manager of kubectl's plugins, installs the command.

The archive has the wheel and a launcher that runs it by uv or pipx. So krew never gets a package by its name from an
index, where the name may be somebody else's.
"""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import yaml

from tenure import __version__
from tenure_dev.paths import CHECKOUT

COMMAND = "kubectl-tenure"
RELEASES = "https://releases.example.com/tenure"
"""Where the archive will be. No release is published yet, so `kubectl krew install --archive` takes the file."""

_SYSTEMS = ("linux", "darwin")
_LAUNCHER = """\
#!/bin/sh
# Runs the wheel beside this file, in an environment that uv or pipx keeps.
set -eu
link=$0
while [ -L "$link" ]; do
  target=$(readlink "$link")
  case $target in /*) link=$target ;; *) link=$(dirname "$link")/$target ;; esac
done
wheel=$(dirname "$link")/{wheel}
if command -v uv >/dev/null 2>&1; then
  exec uv tool run --quiet --from "$wheel" {command} "$@"
elif command -v pipx >/dev/null 2>&1; then
  exec pipx run --quiet --spec "$wheel" {command} "$@"
fi
echo "tenure: {command} needs uv or pipx. Install one of them: https://docs.astral.sh/uv/" >&2
exit 1
"""


def write_plugin(folder: Path, wheel: Path) -> list[Path]:
    """Write the archive and its manifest into the folder of a release, and return both."""
    archive = folder / f"{COMMAND}-{__version__}.tar.gz"
    launcher = _LAUNCHER.format(wheel=wheel.name, command=COMMAND).encode()
    with tarfile.open(archive, "w:gz") as tar:
        _add(tar, COMMAND, launcher, mode=0o755)
        _add(tar, wheel.name, wheel.read_bytes(), mode=0o644)
        _add(tar, "LICENSE", (CHECKOUT / "LICENSE").read_bytes(), mode=0o644)
    manifest = folder / "krew.yaml"
    document = krew_manifest(archive.name, hashlib.sha256(archive.read_bytes()).hexdigest(), wheel.name)
    manifest.write_text(yaml.safe_dump(document, sort_keys=False, width=110))
    return [archive, manifest]


def krew_manifest(archive: str, digest: str, wheel: str) -> dict[str, Any]:
    """Return the manifest of the plugin, whose archive has this SHA-256."""
    files = (COMMAND, wheel, "LICENSE")
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "tenure"},
        "spec": {
            "version": f"v{__version__}",
            "homepage": RELEASES,
            "shortDescription": "Members, roles and API keys of organizations",
            "description": (
                "Lists the members and API keys of an organization that Tenure manages, previews which keys a role "
                "change revokes, and makes the change with your own rights."
            ),
            "caveats": "The plugin needs uv or pipx, which keep its environment. Its first run downloads packages.",
            "platforms": [
                {
                    "selector": {"matchLabels": {"os": system, "arch": arch}},
                    "uri": f"{RELEASES}/v{__version__}/{archive}",
                    "sha256": digest,
                    "bin": COMMAND,
                    "files": [{"from": name, "to": "."} for name in files],
                }
                for system in _SYSTEMS
                for arch in ("amd64", "arm64")
            ],
        },
    }


def _add(tar: tarfile.TarFile, name: str, content: bytes, *, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))
