"""The control plane's programs, and where to find them."""

import os
from dataclasses import dataclass
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.gomodule import GoModule
from tenure_dev.paths import BINARIES_MODULE, NETWORK_MODULE

CONTROL_PLANE = GoModule(
    name="control plane",
    source=BINARIES_MODULE,
    store="control-plane",
    programs={
        "etcd": "go.etcd.io/etcd/server/v3",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    },
    named_after="k8s.io/kubernetes",
    core_minutes=13,
    stamps_version=True,
)

NODE = GoModule(
    name="node",
    source=BINARIES_MODULE,
    store="node",
    programs={
        "kubelet": "k8s.io/kubernetes/cmd/kubelet",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    },
    named_after="k8s.io/kubernetes",
    core_minutes=13,
    stamps_version=True,
)
"""The programs of a node. Most of their packages are the control plane's, so both are built in one run if possible."""

NETWORK = GoModule(
    name="network policies",
    source=NETWORK_MODULE,
    store="network",
    programs={"policies": "tenure.dev/network/policies"},
    named_after="github.com/cloudnativelabs/kube-router/v2",
    core_minutes=3,
)
"""What enforces NetworkPolicies on the node: the part of kube-router that does, and no more of it."""


@dataclass(frozen=True)
class Binaries:
    """A folder with all four programs."""

    folder: Path

    @property
    def etcd(self) -> Path:
        """The path of etcd."""
        return self.folder / "etcd"

    @property
    def apiserver(self) -> Path:
        """The path of kube-apiserver."""
        return self.folder / "kube-apiserver"

    @property
    def controller_manager(self) -> Path:
        """The path of kube-controller-manager."""
        return self.folder / "kube-controller-manager"

    @property
    def kubectl(self) -> Path:
        """The path of kubectl. It has the API server's version, unless it is from `$KUBEBUILDER_ASSETS`."""
        return self.folder / "kubectl"


def find() -> Binaries | None:
    """Find the programs in `$KUBEBUILDER_ASSETS`, or else in the cache. Return None if they must be built first.

    Raises `ToolError` if `KUBEBUILDER_ASSETS` is set and its folder lacks one of them.
    """
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        folder = Path(assets).absolute()
        if missing := CONTROL_PLANE.missing(folder):
            raise ToolError(
                f"KUBEBUILDER_ASSETS is {folder}, but this folder has no executable {', '.join(missing)}. Complete it, "
                "or unset the variable, and all programs are downloaded or built once"
            )
        return Binaries(folder)
    folder = CONTROL_PLANE.folder
    return None if CONTROL_PLANE.missing(folder) else Binaries(folder)
