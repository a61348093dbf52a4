"""Parts of the Kubernetes client that are imported with it and never used here: loaded at their first use, so never.

`import kubernetes` imports the client's synchronous half, and with it `requests`, `urllib3`, `oauthlib` and others.
Kopf imports the client wherever it is installed. Together this was half of the time that a process took to start.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # It imports a lot by itself.
    from importlib.abc import Loader

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


class _WaitingLoader:
    """Loads a module when a name in it is first asked for.

    `importlib.util.LazyLoader` also loads it for `__file__`, which `inspect` asks of all modules there are.
    """

    def __init__(self, loader: "Loader") -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        def load_and_get(name: str) -> object:
            del module.__dict__["__getattr__"]
            self._loader.exec_module(module)
            return getattr(module, name)

        module.__dict__["__getattr__"] = load_and_get


class _Finder:
    """Finds these packages in their usual places."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in PACKAGES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _WaitingLoader(spec.loader)  # type: ignore[assignment]  # as a loader in all that is asked of it
        return spec


def load_when_used() -> None:
    """Delay the import of these packages from now on. Call it before anything imports the client."""
    sys.meta_path.insert(0, _Finder)
