"""Argo CD: application controller and repo server, with the rights that Argo CD gives them."""

import base64
import json
import secrets
from typing import Any, ClassVar

from support.engines.engine import MANIFESTS, Attempt, Engine
from support.objects.repository import Body
from support.run.eventually import eventually
from tenure_dev.controlplane import free_ports
from tenure_dev.engines import ARGOCD
from tenure_dev.processes import Process
from tenure_dev.tools import Tools

RESYNC = 15
"""Seconds between two looks at Git, instead of minutes."""

_PROGRAM = str(ARGOCD.folder / "argocd")


class ArgoCD(Engine):
    """Argo CD on loopback, with a Redis."""

    namespace: ClassVar[str] = "argocd"

    def install(self) -> None:
        """Apply Argo CD's own installation, our health scripts as the page says, and what its API server would add."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        self.plane.kubectl(
            *("apply", "--server-side", f"--namespace={self.namespace}"),
            *("--filename", str(ARGOCD.folder / "install.yaml")),
        )
        config = str(MANIFESTS / "argocd" / "argocd-cm.yaml")
        patch = ("patch", "configmap", "argocd-cm", "--namespace=argocd", "--type=merge", "--patch-file", config)
        self.plane.kubectl(*patch)
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        self._patch("secret", "argocd-secret", {"data": {"server.secretkey": key}})
        everything = [{"group": "*", "kind": "*"}]
        spec = {"sourceRepos": ["*"], "destinations": [{"namespace": "*", "server": "*"}]}
        self.apply(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "AppProject",
                "metadata": {"name": "default", "namespace": self.namespace},
                "spec": {**spec, "clusterResourceWhitelist": everything},
            }
        )

    def start(self) -> None:
        """Start Redis, the repo server and the controller."""
        redis, repo, *metrics = free_ports(4)
        cache = f"--redis=127.0.0.1:{redis}"
        self._start("redis-server", ["redis-server", "--bind", "127.0.0.1", "--port", str(redis), "--save", ""])
        listen = (
            "--address=127.0.0.1",
            f"--port={repo}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={metrics[0]}",
        )
        # What Argo CD's image has beside the programs. It says nothing of a commit that isn't signed, and none is here.
        wrapper = self.folder / "bin" / "git-verify-wrapper.sh"
        wrapper.parent.mkdir()
        wrapper.write_text("#!/bin/sh\n")
        wrapper.chmod(0o755)
        self._start("argocd-repo-server", [_PROGRAM, "argocd-repo-server", cache, *listen])
        controller = ("argocd-application-controller", f"--repo-server=127.0.0.1:{repo}", cache)
        resync = (f"--app-resync={RESYNC}", "--app-resync-jitter=0", f"--metrics-port={metrics[1]}")
        self._start(controller[0], [_PROGRAM, *controller, f"--namespace={self.namespace}", *resync])

    def _start(self, name: str, command: list[str]) -> None:
        environment = {
            "HOME": str(self.folder),
            "PATH": f"{self.folder / 'bin'}:{Tools.find_or_build().folder}:/usr/bin:/bin",
            "TMPDIR": str(self.folder),
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_CONTROLLER_SHARD": "0",
            "ARGOCD_ASK_PASS_SOCK": str(self.folder / "ask-pass.sock"),
        }
        if name.endswith("-controller"):
            environment["KUBECONFIG"] = str(self.account(name))
        process = Process(name, command, log=self.folder / f"{name}.log", env=environment).start()
        self._running.callback(process.stop)

    def organization(self, name: str) -> list[Body]:
        """Return the Application of one organization."""
        _, application = self.manifests("argocd/applications.yaml")
        application["metadata"]["name"] = f"organization-{name}"
        application["spec"]["source"]["path"] = f"organizations/{name}"
        application["spec"]["destination"]["namespace"] = name
        return [application]

    def installation(self) -> list[Body]:
        """Return the Application of Tenure."""
        return self.manifests("argocd/applications.yaml")[:1]

    def poke(self, name: str) -> None:
        """Request a refresh, as `argocd app get --refresh` does."""
        application = f"organization-{name}"
        if self.get("application", application):
            refresh = {"argocd.argoproj.io/refresh": "normal"}
            self._patch("application", application, {"metadata": {"annotations": refresh}})

    def attempt(self, name: str) -> Attempt | None:
        """Return what the Application's status says."""
        body = self.get("application", f"organization-{name}")
        return None if body is None else _attempt(body)

    def installed(self) -> Body:
        """Wait until the Application of Tenure is Synced and Healthy, and return it."""

        def ready() -> Body | None:
            body = self.get("application", "tenure")
            assert body is not None
            attempt = _attempt(body)
            assert attempt is not None and attempt.applied, json.dumps(body.get("status"))  # noqa: PT018
            return body

        return eventually(ready, within=180, every=1, describe="the Application is synced and healthy") or {}

    def _patch(self, kind: str, name: str, patch: dict[str, Any]) -> None:
        target = ("patch", kind, name, f"--namespace={self.namespace}", "--type=merge")
        self.plane.kubectl(*target, f"--patch={json.dumps(patch)}")


def _attempt(body: Body) -> Attempt | None:
    status = body.get("status", {})
    sync, operation = status.get("sync", {}), status.get("operationState", {})
    result = operation.get("syncResult", {})
    synced = sync.get("status") == "Synced" and operation.get("phase") == "Succeeded"
    healthy = status.get("health", {}).get("status") == "Healthy"
    said = [operation.get("message", "")]
    said += [f"{each['kind']} {each['name']}: {each.get('message', '')}" for each in result.get("resources", [])]
    said += [f"{each['type']}: {each['message']}" for each in status.get("conditions", [])]
    said.append(f"{sync.get('status')}, {status.get('health', {}).get('status')}, {operation.get('phase')}")
    applied = synced and healthy
    commit = sync.get("revision", "") if applied else result.get("revision", "")
    return Attempt(commit, applied, "\n".join(said))
