"""kubelet, kube-scheduler and kube-proxy of the control plane's version."""

from pathlib import Path

from tenure_dev.binaries import CONTROL_PLANE, NODE, find
from tenure_dev.build import build_together, built


def find_or_build_node() -> Path:
    """Return the folder of the node's programs, and build them first if they aren't there.

    Where the control plane's programs must be built, too, this is one run: they share most of their packages. Raises
    `ToolError` if downloading or building fails.
    """
    if find() is None:
        build_together(CONTROL_PLANE, NODE)
    return built(NODE)
