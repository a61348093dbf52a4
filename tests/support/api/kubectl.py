"""kubectl for tests: bound to a namespace, and speaking JSON."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tenure_dev.kubectl import Kubectl


@dataclass(frozen=True)
class NamespacedKubectl:
    """kubectl with `--namespace` set; call it like `Kubectl`."""

    kubectl: Kubectl
    namespace: str

    def __call__(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002  (as Kubectl)
        check: bool = True,
        as_user: str | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """See `Kubectl.__call__`."""
        scope = f"--namespace={self.namespace}"
        return self.kubectl(scope, *args, input=input, check=check, as_user=as_user, timeout=timeout)

    def apply(self, *manifests: Mapping[str, Any], as_user: str | None = None) -> None:
        """Apply objects given as dicts."""
        document = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self("apply", "--filename=-", input=json.dumps(document), as_user=as_user)

    def json(self, *args: str) -> Any:
        """Return the parsed output of a command that knows `--output=json`."""
        return json.loads(self(*args, "--output=json").stdout)

    def get(self, resource: str, name: str) -> dict[str, Any] | None:
        """Return one object; None if there is none of that name."""
        output = self("get", resource, name, "--ignore-not-found", "--output=json").stdout
        return json.loads(output) if output.strip() else None
