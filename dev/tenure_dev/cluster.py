"""A cluster that somebody else started, such as kind's: what the tests need of one, read from its kubeconfig."""

import base64
from pathlib import Path
from typing import Any

import yaml

from tenure_dev.build import find_or_build
from tenure_dev.certificates import KeyPair
from tenure_dev.errors import ToolError
from tenure_dev.kubectl import Kubectl
from tenure_dev.paths import CRDS


class RunningCluster:
    """Stands where a `ControlPlane` stands, as far as tests share one; its administrator has a certificate."""

    def __init__(self, kubeconfig: Path, folder: Path, audit_log: Path | None = None) -> None:
        self.kubeconfig = kubeconfig
        self.folder = folder
        self.audit_log = audit_log
        """One JSON line a request, complete at any time; None where the cluster writes none."""
        document: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self.server = str(cluster["server"]).rstrip("/")
        self.certificate_authority = self._write("ca.crt", cluster, "certificate-authority-data")
        self.admin = KeyPair(
            self._write("admin.crt", user, "client-certificate-data"), self._write("admin.key", user, "client-key-data")
        )
        self.kubectl = Kubectl(program=find_or_build().kubectl, kubeconfig=kubeconfig, home=folder)
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(CRDS))

    @property
    def etcd_endpoint(self) -> str:
        """There is none that can be reached."""
        raise ToolError("the etcd of a cluster that somebody else started can't be reached")

    def check(self) -> None:
        """Raise `KubectlError` if it doesn't answer any more."""
        self.kubectl("get", "--raw=/readyz")

    def _write(self, name: str, section: dict[str, Any], field: str) -> Path:
        if field not in section:
            raise ToolError(
                f"{self.kubeconfig}: {field} is missing; the administrator must have a certificate in the file"
            )
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(section[field]))
        return path
