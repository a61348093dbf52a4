"""Flux: source-, kustomize- and helm-controller, with the rights that Flux gives them."""

import json
from datetime import UTC, datetime
from typing import ClassVar

from support.engines.engine import Attempt, Engine
from support.objects.repository import Body
from support.run.eventually import eventually
from tenure_dev.controlplane import free_ports
from tenure_dev.engines import FLUX
from tenure_dev.processes import Process

_GROUPS = ("source", "kustomize", "helm", "notification", "image")
_CORE = [
    ("", ["namespaces", "secrets", "configmaps", "serviceaccounts"], ["get", "list", "watch"]),
    ("", ["events"], ["create", "patch"]),
    ("", ["configmaps", "configmaps/status"], ["get", "list", "watch", "create", "update", "patch", "delete"]),
    ("coordination.k8s.io", ["leases"], ["get", "list", "watch", "create", "update", "patch", "delete"]),
    ("", ["serviceaccounts/token"], ["create"]),
]


class Flux(Engine):
    """Flux on loopback, one process for each controller."""

    namespace: ClassVar[str] = "flux-system"

    def install(self) -> None:
        """Apply the CustomResourceDefinitions of the modules, and accounts and rights as `flux install` makes them."""
        for name in FLUX.programs:
            self.plane.apply_crds(FLUX.folder / f"{name}-crds")
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}, *self._rights())

    def _rights(self) -> list[Body]:
        accounts: list[Body] = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": self.namespace}}
            for name in FLUX.programs
        ]
        own = [
            {"apiGroups": [f"{group}.toolkit.fluxcd.io"], "resources": ["*"], "verbs": ["*"]} for group in _GROUPS
        ] + [{"apiGroups": [group], "resources": kinds, "verbs": verbs} for group, kinds, verbs in _CORE]
        role: Body = {"kind": "ClusterRole", "metadata": {"name": "crd-controller-flux-system"}, "rules": own}
        bindings = [
            self._binding("crd-controller-flux-system", "crd-controller-flux-system", list(FLUX.programs)),
            self._binding("cluster-reconciler-flux-system", "cluster-admin", list(FLUX.programs)[1:]),
        ]
        rbac = "rbac.authorization.k8s.io/v1"
        return [*accounts, *({"apiVersion": rbac, **body} for body in (role, *bindings))]

    def _binding(self, name: str, role: str, accounts: list[str]) -> Body:
        return {
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": each, "namespace": self.namespace} for each in accounts],
        }

    def start(self) -> None:
        """Start the controllers."""
        storage, *health = free_ports(1 + len(FLUX.programs))
        stored = ("--storage-path", str(self.folder / "artifacts"), "--storage-addr", f"127.0.0.1:{storage}")
        (self.folder / "artifacts").mkdir()
        for name, port in zip(FLUX.programs, health, strict=True):
            source = (*stored, "--storage-adv-addr", f"127.0.0.1:{storage}") if name == "source-controller" else ()
            options = ("--metrics-addr=0", f"--health-addr=127.0.0.1:{port}", "--enable-leader-election=false")
            environment = {
                "HOME": str(self.folder),
                "KUBECONFIG": str(self.account(name)),
                "PATH": "/usr/bin:/bin",
                "RUNTIME_NAMESPACE": self.namespace,
                "TMPDIR": str(self.folder),
            }
            command = [str(FLUX.folder / name), *options, *source]
            process = Process(name, command, log=self.folder / f"{name}.log", env=environment).start()
            self._running.callback(process.stop)

    def organization(self, name: str) -> list[Body]:
        """Return the GitRepository, and the Kustomization of one organization."""
        source, kustomization = self.manifests("flux/organization-acme.yaml")
        kustomization["metadata"]["name"] = f"organization-{name}"
        kustomization["spec"] |= {"targetNamespace": name, "path": f"./organizations/{name}"}
        return [source, kustomization]

    def installation(self) -> list[Body]:
        """Return the GitRepository and the HelmRelease of Tenure."""
        return self.manifests("flux/tenure.yaml")

    def poke(self, name: str) -> None:  # noqa: ARG002  (one source holds all organizations)
        """Request a reconciliation of the source, as `flux reconcile` does; the Kustomization follows it."""
        if self.get("gitrepository", "organizations"):
            self.request("gitrepository/organizations")

    def request(self, target: str) -> None:
        """Request a reconciliation of one of Flux's objects."""
        stamp = f"reconcile.fluxcd.io/requestedAt={datetime.now(UTC).isoformat()}"
        self.plane.kubectl("annotate", "--overwrite", target, stamp, f"--namespace={self.namespace}")

    def attempt(self, name: str) -> Attempt | None:
        """Return what the Kustomization's condition Ready says."""
        body = self.get("kustomization", f"organization-{name}")
        return None if body is None else _attempt(body)

    def installed(self) -> Body:
        """Wait until the HelmRelease is Ready, and return it."""

        def ready() -> Body | None:
            body = self.get("helmrelease", "tenure")
            assert body is not None
            conditions = body.get("status", {}).get("conditions", [])
            assert any(each["type"] == "Ready" and each["status"] == "True" for each in conditions), json.dumps(
                conditions
            )
            return body

        return eventually(ready, within=180, every=1, describe="the HelmRelease is ready") or {}


def _attempt(body: Body) -> Attempt | None:
    status = body.get("status", {})
    ready = next((each for each in status.get("conditions", []) if each["type"] == "Ready"), None)
    if ready is None or status.get("observedGeneration") != body["metadata"]["generation"]:
        return None
    applied = ready["status"] == "True"
    revision = status.get("lastAppliedRevision" if applied else "lastAttemptedRevision", "")
    return Attempt(revision.rpartition(":")[2], applied, f"{ready['reason']}: {ready['message']}")
