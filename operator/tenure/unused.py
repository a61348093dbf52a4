"""Delay the import of those packages of the Kubernetes client that Tenure doesn't use, so they are never loaded.

`import kubernetes` imports the client's synchronous half, and with it `requests`, `urllib3`, `oauthlib` and others.
Kopf imports the client if it is installed. Without the delay, this is half of the time that a process takes to start.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importlib.abc itself imports a lot.
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
"""Packages that are loaded at their first use. A name that a later version of the client lacks has no effect."""


class _WaitingLoader:
    """Loads a module at the first access to a name in it.

    `importlib.util.LazyLoader` also loads it for `__file__`, which `inspect` reads of every module.
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
    """Finds these packages where they are installed, and delays their loading."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in PACKAGES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _WaitingLoader(spec.loader)  # type: ignore[assignment]  # it has the methods that are called
        return spec


def load_when_used() -> None:
    """Delay the import of these packages from now on. Call it before anything imports the client."""
    sys.meta_path.insert(0, _Finder)
