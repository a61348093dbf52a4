"""The paths that the development tools use. All are in the checkout or in one cache folder."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
"""The root of the checkout that these tools were installed from."""

BINARIES_MODULE = CHECKOUT / "dev" / "binaries"
"""The Go module that pins the control plane's source."""

TOOLS_MODULE = CHECKOUT / "dev" / "tools"
"""The Go module that pins Helm and kstatus."""

ENGINES = CHECKOUT / "dev" / "engines"
"""The folder of the Go modules that pin Argo CD and Flux."""

MONITORING_MODULE = CHECKOUT / "dev" / "monitoring"
"""The Go module that pins the Prometheus Operator."""

CRDS = CHECKOUT / "crds"
"""Tenure's CustomResourceDefinitions."""

NETWORK_MODULE = CHECKOUT / "dev" / "network"
"""The Go module of what enforces NetworkPolicies. Below `BINARIES_MODULE` it would make those programs stale."""

MAILPIT_MODULE = CHECKOUT / "dev" / "mailpit"
"""The Go module that pins Mailpit, a mail server for trying things out."""

UP_NODE = CHECKOUT / ".cache" / "node"
"""The folder of the node of `make up-node`."""
DIST = CHECKOUT / "dist"
"""The folder of what a release consists of."""

UP = CHECKOUT / ".cache" / "up"
"""The folder of the control plane of `make up`."""


def cache_folder() -> Path:
    """Return the cache folder: `$TENURE_CACHE`, else `$XDG_CACHE_HOME/tenure`, else `~/.cache/tenure`."""
    if chosen := os.environ.get("TENURE_CACHE"):
        return Path(chosen).absolute()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).absolute() / "tenure"
    return Path.home() / ".cache" / "tenure"
