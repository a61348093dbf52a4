"""Parts of the Kubernetes client that are imported with it and never used here: loaded at their first use, so never.

`import kubernetes` imports the client's synchronous half, and with it `requests`, `urllib3`, `oauthlib` and others.
Kopf imports the client wherever it is installed. Together this was half of the time that a process took to start.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

PACKAGES = frozenset(
    {
        "kubernetes.config",
        "kubernetes.dynamic",
        "kubernetes.informer",
        "kubernetes.leaderelection",
        "kubernetes.stream",
        "kubernetes.utils",
        "kubernetes.watch",
        "kubernetes.aio.dynamic",
        "kubernetes.aio.leaderelection",
        "kubernetes.aio.stream",
        "kubernetes.aio.watch",
    }
)
"""If a later version of the client has no such package, nothing happens."""


class _Finder:
    """Finds these packages in their usual places, with a loader that waits for the first use of a name in them."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in PACKAGES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def load_when_used() -> None:
    """Delay the import of these packages from now on. Call it before anything imports the client."""
    sys.meta_path.insert(0, _Finder)
