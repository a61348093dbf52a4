"""GitOps tools as the API server meets them: what they ask for, in which order, and what they do once refused.

Written after the tools' own code: Argo CD's gitops-engine (`sync_context.go` of Argo CD 3), Flux's `fluxcd/pkg/ssa` and
kustomize-controller 1.9 (`manager_apply.go`, `patch.go`, `kustomization_controller.go`). What matters here:

* Argo CD prunes first, in the foreground. If anything of that is refused, it applies nothing in this try. What it
  applies is tried object by object. It knows its objects by an annotation on them.
* Flux applies first: a server-side dry-run of everything, and if one object is refused, nothing is applied. Fields that
  were set by a manager whose name begins with `kubectl` become its own, and so go if Git doesn't have them. It prunes
  afterwards what its inventory holds and Git doesn't; what is refused stays in the inventory (since Flux 2.9).
"""

import json
import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import requests

from support.api.api import ApiRefusedError
from support.api.client import Client
from support.cluster.world import PLURALS
from support.objects.repository import Address, Body, Repository, ordered

INCIDENT = "incident"
"""A field manager for people in a hurry, whose name no tool claims."""

GROUP_OF_FLUX = "kustomize.toolkit.fluxcd.io"
TRACKING_ID = "argocd.argoproj.io/tracking-id"

_BEGINS = re.compile(r'^(?=Error from server|error: |The \S+ "[^"]*" is invalid)', re.MULTILINE)
"""Where kubectl begins to speak of another object."""

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Tool(ABC):
    """A tool that brings a repository into a cluster, and removes what went from the repository."""

    def __init__(self, repository: Repository, order: str = "as written") -> None:
        self.repository = repository
        self.order = order
        self.user: str | None = None
        """Who the tool is; None: the administrator."""

    def as_user(self, user: str) -> Self:
        """Be somebody, such as a ServiceAccount that has but a few rights."""
        self.user = user
        return self

    @abstractmethod
    def sync(self) -> list[str]:
        """Try once; return what was refused, in the API server's words."""

    def settle(self, *, tries: int = 5) -> int:
        """Try again until nothing is refused, and return how many tries that took."""
        refused: list[str] = []
        for number in range(1, tries + 1):
            refused = self.sync()
            if not refused:
                return number
        raise AssertionError(f"refused at each of {tries} tries: {refused}")

    def _apply(self, bodies: Sequence[Body], *args: str) -> list[str]:
        if not bodies:
            return []
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(bodies)})
        return refusals(self._kubectl("apply", *args, "--filename=-", input=document))

    def _delete(self, addresses: Sequence[Address], *args: str) -> list[str]:
        found = []
        for kind, name in addresses:
            target = (PLURALS[kind], name, f"--namespace={self.repository.namespace}", "--ignore-not-found")
            found += refusals(self._kubectl("delete", *target, *args))
        return found

    def _kubectl(self, *args: str, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002
        return self.repository.plane.kubectl(*args, input=input, check=False, as_user=self.user)

    def _files(self) -> list[Body]:
        return [self.repository.files[address] for address in ordered(self.repository.files, self.order)]


class Kubectl(Tool):
    """Somebody who applies all files, and then deletes what they removed."""

    def __init__(self, repository: Repository, order: str = "as written", *mode: str) -> None:
        super().__init__(repository, order)
        self._mode = mode
        self._applied: set[Address] = set()

    def sync(self) -> list[str]:
        refused = self._apply(self._files(), *self._mode)
        gone = sorted(self._applied - self.repository.files.keys())
        refused += self._delete(gone)
        self._applied = set(gone if refused else ()) | self.repository.files.keys()
        return refused


class ArgoCD(Tool):
    """Argo CD with automated sync, prune and retry."""

    def __init__(self, repository: Repository, order: str = "as written", *mode: str) -> None:
        super().__init__(repository, order)
        self._mode = mode

    def sync(self) -> list[str]:
        live = self.repository.live()
        stale = [
            address
            for address, body in live.items()
            if TRACKING_ID in body["metadata"].get("annotations", {})
            and "deletionTimestamp" not in body["metadata"]
            and address not in self.repository.files
        ]
        refused = self._delete(ordered(stale, self.order), "--cascade=foreground", "--wait=false")
        return refused or self._apply([self._tracked(body) for body in self._files()], *self._mode)

    def _tracked(self, body: Body) -> Body:
        metadata = body["metadata"]
        mark = f"organization-acme:tenure.dev/{body['kind']}:{metadata['namespace']}/{metadata['name']}"
        return {**body, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), TRACKING_ID: mark}}}


class Flux(Tool):
    """Flux's Kustomization with prune; each sync is one reconciliation."""

    manager = "kustomize-controller"

    def __init__(self, repository: Repository, order: str = "as written", *, forgets: bool = False) -> None:
        super().__init__(repository, order)
        self._inventory: set[Address] = set()
        self._forgets = forgets
        """Before Flux 2.9: what wasn't pruned at once is nobody's any more."""

    def sync(self) -> list[str]:
        with self._client() as client:
            bodies = sorted(map(self._owned, self.repository.files.values()), key=_by_kind_and_name)
            for body in bodies:
                if refused := _refusal(partial(self._dry_run, client, body)):
                    return [refused]
            for body in bodies:
                if refused := _refusal(partial(self._apply_one, client, body)):
                    return [refused]
            return self._prune(client)

    @contextmanager
    def _client(self) -> Iterator[Client]:
        client = Client(self.repository.plane, self.repository.namespace, user=self.user or "")
        yield client
        client.close()

    def _owned(self, body: Body) -> Body:
        labels = {f"{GROUP_OF_FLUX}/name": "organization-acme", f"{GROUP_OF_FLUX}/namespace": "flux-system"}
        return {**body, "metadata": {**body["metadata"], "labels": {**body["metadata"].get("labels", {}), **labels}}}

    def _dry_run(self, client: Client, body: Body) -> None:
        client.apply(PLURALS[body["kind"]], body, fieldManager=self.manager, dryRun="All")
        self._take_over(client, body)

    def _apply_one(self, client: Client, body: Body) -> None:
        client.apply(PLURALS[body["kind"]], body, fieldManager=self.manager)

    def _take_over(self, client: Client, body: Body) -> None:
        """Make the fields one's own that kubectl manages."""
        plural, name = PLURALS[body["kind"]], body["metadata"]["name"]
        found = client.get(plural, name)
        if found is None:
            return
        entries = found["metadata"]["managedFields"]
        taken = [entry for entry in entries if entry["manager"].startswith("kubectl") and not entry.get("subresource")]
        if not taken:
            return
        own = [entry for entry in entries if (entry["manager"], entry["operation"]) == (self.manager, "Apply")]
        merged = {**taken[0], "manager": self.manager, "operation": "Apply", "fieldsV1": {}}
        for entry in (*own, *taken):
            merged["fieldsV1"] = _union(merged["fieldsV1"], entry["fieldsV1"])
        kept = [entry for entry in entries if entry not in taken and entry not in own]
        patch: list[Body] = [{"op": "replace", "path": "/metadata/managedFields", "value": [*kept, merged]}]
        if _LAST_APPLIED in found["metadata"].get("annotations", {}):
            patch.append({"op": "remove", "path": f"/metadata/annotations/{_LAST_APPLIED.replace('/', '~1')}"})
        client.json_patch(plural, name, patch, fieldManager=self.manager)

    def _prune(self, client: Client) -> list[str]:
        stale = sorted(self._inventory - self.repository.files.keys(), reverse=True)
        self._inventory = set(self.repository.files)
        refused = []
        for kind, name in stale:
            attempt = partial(client.delete, PLURALS[kind], name, propagationPolicy="Background")
            if words := _refusal(attempt, passes=requests.codes.not_found):
                refused.append(words)
                self._inventory |= set() if self._forgets else {(kind, name)}
        return refused


SERVER_SIDE = ("--server-side", "--force-conflicts", "--field-manager=argocd-controller")

EVERY_TOOL: Mapping[str, Callable[[Repository], Tool]] = {
    "kubectl client side": Kubectl,
    "kubectl server side": lambda repository: Kubectl(repository, "as written", "--server-side"),
    "Argo CD client side": ArgoCD,
    "Argo CD server side": lambda repository: ArgoCD(repository, "as written", *SERVER_SIDE),
    "Flux": Flux,
}
TOOLS = {name: EVERY_TOOL[name] for name in ("kubectl client side", "Argo CD server side", "Flux")}
"""One of each, as our manifests have them apply."""


def refusals(result: subprocess.CompletedProcess[str]) -> list[str]:
    """What kubectl was refused, a text for each object; warnings are none."""
    if result.returncode == 0:
        return []
    lines = "\n".join(line for line in result.stderr.splitlines() if not line.startswith("Warning: "))
    found = [text.strip() for text in _BEGINS.split(lines) if text.strip()]
    assert found, result
    return found


def _refusal(attempt: Callable[[], object], *, passes: int | None = None) -> str:
    """What a request was refused with; nothing, if it passed or met a code that is as good."""
    try:
        attempt()
    except ApiRefusedError as error:
        return "" if error.code == passes else str(error.body["message"])
    return ""


def _by_kind_and_name(body: Body) -> Address:
    return body["kind"], body["metadata"]["name"]


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> Body:
    """The fields of two sets of managed fields."""
    return {
        **one,
        **{key: _union(one[key], value) if key in one else value for key, value in other.items()},
    }
