"""The names and paths of the node, which its programs and their configuration share."""

from dataclasses import dataclass
from pathlib import Path

NAME = "tenure-node"
"""The node's name in Kubernetes, and its host name."""

CONTAINERD_SOCKET = Path("/run/containerd/containerd.sock")
"""The node has a `/run` of its own."""


@dataclass(frozen=True)
class Layout:
    """The files of one node. Everything is below its folder."""

    folder: Path

    @property
    def plane(self) -> Path:
        """The control plane's folder."""
        return self.folder / "control-plane"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig. Its address works in the node's namespaces only."""
        return self.plane / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log."""
        return self.plane / "audit.log"

    @property
    def logs(self) -> Path:
        """The folder of the logs of the node's programs."""
        return self.folder / "log"

    @property
    def kubelet(self) -> Path:
        """The kubelet's root folder."""
        return self.folder / "kubelet"

    @property
    def containerd(self) -> Path:
        """The folder of containerd's images and snapshots."""
        return self.folder / "containerd"

    @property
    def configuration(self) -> Path:
        """The folder of the configuration files."""
        return self.folder / "etc"

    @property
    def images(self) -> Path:
        """The folder of image archives, all of which the node imports when it starts."""
        return self.folder / "images"

    @property
    def ready(self) -> Path:
        """A file that exists once the node is Ready."""
        return self.folder / "ready"

    @property
    def failure(self) -> Path:
        """A file with the reason why the node didn't come up."""
        return self.folder / "failure"

    def create(self) -> None:
        """Create the folders."""
        for folder in (self.plane, self.logs, self.images, self.kubelet, self.containerd, self.configuration / "cni"):
            folder.mkdir(parents=True, exist_ok=True)
