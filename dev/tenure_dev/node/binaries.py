"""kubelet, kube-scheduler and kube-proxy of the control plane's version, and what enforces NetworkPolicies."""

import os
import socket
from pathlib import Path

from tenure_dev.binaries import CONTROL_PLANE, NETWORK, NODE, find
from tenure_dev.build import build_together, built
from tenure_dev.errors import ToolError
from tenure_dev.node.network import chosen

VARIABLE = "TENURE_NODE_POLICIES"
"""The environment variable that says whether NetworkPolicies are enforced. The processes of a node inherit it."""


def policies_enforced() -> bool:
    """Return whether NetworkPolicies are enforced, which takes a program more. Raises `ToolError` on another value.

    With IPv6 they are stored only: the rules of kube-router 2.1 name other sets of addresses than it creates.
    """
    said = os.environ.get(VARIABLE) or "enforced"
    if said not in {"enforced", "stored"}:
        raise ToolError(f"{VARIABLE} is {said!r}, and it must be enforced or stored")
    return said == "enforced" and chosen().family is socket.AF_INET


def find_or_build_node() -> Path:
    """Return the folder of the node's programs, and build what isn't there.

    Where the control plane's programs must be built, too, this is one run: they share most of their packages. Raises
    `ToolError` if downloading or building fails.
    """
    wanted = [NODE, *([CONTROL_PLANE] if find() is None else []), *([NETWORK] if policies_enforced() else [])]
    build_together(*sorted(wanted, key=[CONTROL_PLANE, NODE, NETWORK].index))
    return built(NODE)


def policies_program() -> Path:
    """Return what enforces NetworkPolicies, and build it first if it isn't there.

    Raises `ToolError` if downloading or building fails.
    """
    return built(NETWORK) / "policies"
