"""A process that finds the API server as in a pod: by two variables, and by two files that the kubelet renews."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_MAIN = """
import sys
from kubernetes.aio.config import incluster_config
from tenure.cli import main

incluster_config.SERVICE_TOKEN_FILENAME, incluster_config.SERVICE_CERT_FILENAME = sys.argv[1:3]
sys.argv[1:3] = []
main()
"""
_PYTHON_DASH_M_TENURE = 3


class Pod:
    """The files and the variables of a pod, for an API server at a URL."""

    def __init__(self, folder: Path, server: str, token: str, authority: bytes) -> None:
        folder.mkdir(exist_ok=True)
        self.token, self.authority = folder / "token", folder / "ca.crt"
        put(self.token, token.encode())
        put(self.authority, authority)
        host, _, port = server.removeprefix("https://").rpartition(":")
        self.env: Mapping[str, str] = {
            "KUBECONFIG": "",
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
        }

    def command(self, command: Sequence[str]) -> Sequence[str]:
        """Return a command line of Tenure that finds the files here."""
        arguments = command[_PYTHON_DASH_M_TENURE:]
        return (sys.executable, "-c", _MAIN, str(self.token), str(self.authority), *arguments)


def put(path: Path, content: bytes) -> None:
    """Replace a file at once, as the kubelet does."""
    other = path.with_suffix(".new")
    other.write_bytes(content)
    other.replace(path)
