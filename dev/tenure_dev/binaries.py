"""The control plane's programs: which ones, pinned how, and where they are found."""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from tenure_dev.errors import ToolError
from tenure_dev.paths import BINARIES_MODULE, cache_folder

PROGRAMS: Mapping[str, str] = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
}
"""Each program and the Go package that it is built from, in building order."""

BUILD_FLAGS = ("-trimpath",)


@dataclass(frozen=True)
class Binaries:
    """A folder that holds all four programs."""

    folder: Path

    @property
    def etcd(self) -> Path:
        """The store."""
        return self.folder / "etcd"

    @property
    def apiserver(self) -> Path:
        """kube-apiserver."""
        return self.folder / "kube-apiserver"

    @property
    def controller_manager(self) -> Path:
        """kube-controller-manager."""
        return self.folder / "kube-controller-manager"

    @property
    def kubectl(self) -> Path:
        """kubectl, of the API server's version where it was built here."""
        return self.folder / "kubectl"


@dataclass(frozen=True)
class Pins:
    """What the Go module in `dev/binaries` pins."""

    kubernetes: str
    """Kubernetes' version, such as v1.37.2."""
    go: tuple[int, ...]
    """The oldest Go release that can build it, such as (1, 26, 0)."""
    digest: str
    """Eight hex digits over the module's files, the flags and the platform."""

    @classmethod
    def read(cls, module: Path = BINARIES_MODULE) -> Self:
        """Read go.mod and go.sum; raises `ToolError` if go.mod lacks a version."""
        text = (module / "go.mod").read_text()
        kubernetes = re.search(r"^\s*k8s\.io/kubernetes (v\d+\.\d+\.\d+)\b", text, re.MULTILINE)
        go = re.search(r"^go (\d+(?:\.\d+)*)$", text, re.MULTILINE)
        if kubernetes is None or go is None:
            raise ToolError(f"{module / 'go.mod'} has no `go` line or doesn't require k8s.io/kubernetes")
        version = kubernetes.group(1)
        parts = [text, (module / "go.sum").read_text(), *BUILD_FLAGS, link_flags(version)]
        parts += [*PROGRAMS.values(), platform.system(), platform.machine()]
        digest = sha256("\0".join(parts).encode()).hexdigest()[:8]
        return cls(kubernetes=version, go=tuple(map(int, go.group(1).split("."))), digest=digest)

    @property
    def folder(self) -> Path:
        """Where in the cache the programs of exactly these pins lie once they are built."""
        return cache_folder() / "control-plane" / f"{self.kubernetes}-{self.digest}"


def link_flags(version: str) -> str:
    """Return the linker's flags: no debug information, and the version that the programs report."""
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{k}={v}" for k, v in values.items())])


def find() -> Binaries | None:
    """Find the programs in `$KUBEBUILDER_ASSETS`, else in the cache; None if they must be built first.

    Raises `ToolError` if `KUBEBUILDER_ASSETS` is set and its folder lacks one of them.
    """
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        folder = Path(assets).absolute()
        if missing := _missing(folder):
            raise ToolError(
                f"KUBEBUILDER_ASSETS is {folder}, and there is no executable {', '.join(missing)} in it. "
                "Complete the folder, or unset the variable: then everything is built from source, once."
            )
        return Binaries(folder)
    folder = Pins.read().folder
    return None if _missing(folder) else Binaries(folder)


def _missing(folder: Path) -> list[str]:
    return [name for name in sorted(PROGRAMS) if not os.access(folder / name, os.X_OK)]
