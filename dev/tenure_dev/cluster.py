"""Use a cluster that runs already, such as one of kind, for the tests. Its kubeconfig has all that they need."""

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
    """A running cluster with the part of `ControlPlane`'s interface that tests of a shared control plane use.

    The administrator in its kubeconfig must have a client certificate.
    """

    def __init__(self, kubeconfig: Path, folder: Path, audit_log: Path | None = None) -> None:
        self.kubeconfig = kubeconfig
        self.folder = folder
        self.audit_log = audit_log
        """The audit log with one JSON line for each request, complete at any time, or None if there is none."""
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
        """Always raises `ToolError`, because the cluster's etcd can't be reached from outside."""
        raise ToolError("these tools can't reach the etcd of a cluster that they didn't start")

    def check(self) -> None:
        """Raise `KubectlError` if the cluster doesn't answer any more."""
        self.kubectl("get", "--raw=/readyz")

    def _write(self, name: str, section: dict[str, Any], field: str) -> Path:
        if field not in section:
            raise ToolError(
                f"{self.kubeconfig}: {field} is missing. The administrator's certificate must be in the file"
            )
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(section[field]))
        return path
