"""A real node with pods, as tests in its namespaces see it."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenure import __version__
from tenure_dev.build import find_or_build
from tenure_dev.chart import CHART, NAMESPACE
from tenure_dev.kubectl import Kubectl
from tenure_dev.node.layout import CONTAINERD_SOCKET, Layout
from tenure_dev.tools import Tools

RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
COMPONENTS = ("controller", "verifier", "webhook")
CRDS = ("apikeys", "memberships", "organizations")
_PATIENCE = 120.0
_ASK = """
import json, sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers=json.loads(sys.argv[2]))
try:
    answer = urllib.request.urlopen(request, timeout=10)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status)
print(answer.read().decode())
"""


@dataclass(frozen=True)
class NodeCluster:
    """The node's cluster. A test that installs Tenure removes it again."""

    folder: Path
    """The node's own folder."""
    home: Path
    chart: Path = CHART

    @property
    def layout(self) -> Layout:
        """The node's files."""
        return Layout(self.folder)

    @property
    def kubectl(self) -> Kubectl:
        """kubectl as the administrator."""
        return Kubectl(program=find_or_build().kubectl, kubeconfig=self.layout.kubeconfig, home=self.home)

    @property
    def image(self) -> Path:
        """The archive of Tenure's image."""
        (found,) = (file for file in self.layout.images.glob("*.tar") if file.is_symlink())
        return found.resolve()

    def import_image(self, archive: Path) -> None:
        """Give the node another image."""
        command = ["ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images", "import", str(archive)]
        subprocess.run(command, check=True, capture_output=True)

    def json(self, *args: str) -> Any:
        """Return the parsed output of `kubectl get`."""
        return json.loads(self.kubectl("get", *args, "--output=json").stdout)

    def helm(self, *args: str) -> str:
        """Run Helm in Tenure's namespace, and fail with its messages and the pods' state if it fails."""
        environment = {"HOME": str(self.home), "KUBECONFIG": str(self.layout.kubeconfig)}
        command = [str(Tools.find_or_build().helm), *args, f"--namespace={NAMESPACE}"]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
        assert result.returncode == 0, f"{result.stderr}\n{result.stdout}\n{self.report()}"
        return result.stdout

    def report(self) -> str:
        """Tell what Tenure's pods do, for a failed test."""
        shown = self.kubectl("get", "pods,events", f"--namespace={NAMESPACE}", "--output=wide", check=False)
        logs = [
            self.kubectl("logs", f"deployment/tenure-{each}", f"--namespace={NAMESPACE}", "--tail=15", check=False)
            for each in COMPONENTS
        ]
        return "\n".join([shown.stdout, *(log.stdout + log.stderr for log in logs)])

    def create_namespace(self) -> None:
        """Create Tenure's namespace, which admits restricted pods only."""
        self.kubectl("create", "namespace", NAMESPACE)
        self.kubectl("label", "namespace", NAMESPACE, RESTRICTED)

    def remove_tenure(self) -> None:
        """Remove everything of Tenure's, in the order that the how-to about it has."""
        self.kubectl("delete", "validatingwebhookconfiguration", "tenure", "--ignore-not-found")
        self.helm("uninstall", "tenure", "--ignore-not-found", "--wait")
        self.kubectl("delete", "crd", "--ignore-not-found", *(f"{each}.tenure.dev" for each in CRDS))
        self.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")

    def wait_ready(self, *components: str) -> None:
        """Wait until the Deployments of some components, or else of all, have rolled out."""
        for each in components or COMPONENTS:
            where = [f"deployment/tenure-{each}", f"--namespace={NAMESPACE}"]
            self.kubectl("rollout", "status", *where, f"--timeout={_PATIENCE:.0f}s")

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Return the pods of a component that aren't being deleted."""
        selector = f"--selector=app.kubernetes.io/component={component}"
        found: list[dict[str, Any]] = self.json("pods", selector, f"--namespace={NAMESPACE}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """Return the name of the controller's pod that holds the Lease of the election, or nothing if none does."""
        leases = self.json("leases", f"--namespace={NAMESPACE}")["items"]
        holders = [str(lease["spec"].get("holderIdentity") or "") for lease in leases]
        names = [str(pod["metadata"]["name"]) for pod in self.pods("controller")]
        return next((name for name in names for holder in holders if holder.startswith(name)), "")

    def restarts(self) -> int:
        """Return how often containers of Tenure's pods were started again."""
        pods = self.json("pods", f"--namespace={NAMESPACE}")["items"]
        return sum(status["restartCount"] for pod in pods for status in pod["status"].get("containerStatuses", ()))

    def run_pod(self, namespace: str, name: str, spec: dict[str, Any] | None = None) -> "Pod":
        """Start a pod with Python, with more in its container if wanted, and return once it is Ready."""
        container = {
            "name": "python",
            "image": f"tenure:{__version__}",
            "command": ["python", "-c", "import signal; signal.pause()"],
            **(spec or {}).get("container", {}),
        }
        pod_spec = {
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            **{key: value for key, value in (spec or {}).items() if key != "container"},
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": pod_spec}
        self.kubectl("apply", "--filename=-", input=json.dumps(pod))
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", f"--namespace={namespace}", "--timeout=60s")
        return Pod(self, namespace, name)


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod is Ready."""
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    body: str


@dataclass(frozen=True)
class Pod:
    """A pod of a test's own, in which Python runs."""

    node: NodeCluster
    namespace: str
    name: str

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of Python in it and return its output."""
        where = ["exec", f"--namespace={self.namespace}", self.name, "--"]
        return self.node.kubectl(*where, "python", "-c", program, *arguments).stdout

    def ask(self, url: str, **headers: str) -> Answer:
        """Send a GET and return the answer. Raises `KubectlError` if there is none."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, _, body = self.run(_ASK, url, json.dumps(named)).partition("\n")
        return Answer(int(status), body)

    def read(self, path: str) -> str:
        """Return the content of a file."""
        return self.run("import sys; print(open(sys.argv[1]).read(), end='')", path)

    def variable(self, name: str) -> str:
        """Return a variable of its environment."""
        return self.run("import os, sys; print(os.environ[sys.argv[1]], end='')", name)

    def delete(self) -> None:
        """Delete it and wait until it is gone."""
        self.node.kubectl("delete", "pod", self.name, f"--namespace={self.namespace}")
