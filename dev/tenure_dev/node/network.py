"""The addresses of the node, its pods and its Services, in one family: IPv4, or IPv6 alone."""

import os
import socket
from dataclasses import dataclass

from tenure_dev.errors import ToolError

VARIABLE = "TENURE_NODE_FAMILY"
"""The environment variable that chooses the family. The processes of a node inherit it."""


@dataclass(frozen=True)
class Network:
    """Addresses that have no link to the machine's network, so they may be anybody's."""

    family: socket.AddressFamily
    address: str
    """The node's own address."""
    gateway: str
    """Where the default route leads. Nobody is there."""
    bits: int
    """The length of the prefix that the node's address and the gateway share."""
    pods: str
    """The range of the pods' addresses."""
    services: str
    """The range of the Services' addresses."""
    api: str
    """The address of the Service `kubernetes`, the first one of the range."""
    all: str
    """The address on which a server listens for everybody."""

    @property
    def anywhere(self) -> str:
        """The destination of a default route."""
        return f"{self.all}/0"

    @property
    def forwarding(self) -> str:
        """The setting below /proc/sys/net that lets the node forward packets, which is a network namespace's own."""
        return "ipv6/conf/all/forwarding" if self.family is socket.AF_INET6 else "ipv4/ip_forward"

    def with_port(self, port: int) -> str:
        """Return the node's address with a port, as in a URL."""
        return f"[{self.address}]:{port}" if self.family is socket.AF_INET6 else f"{self.address}:{port}"


NETWORKS = {
    "ipv4": Network(
        family=socket.AF_INET,
        address="192.168.49.2",
        gateway="192.168.49.1",
        bits=24,
        pods="10.244.0.0/24",
        services="10.0.0.0/24",
        api="10.0.0.1",
        all="0.0.0.0",  # noqa: S104  (in a network namespace of its own)
    ),
    "ipv6": Network(
        family=socket.AF_INET6,
        address="fd00:49::2",
        gateway="fd00:49::1",
        bits=64,
        pods="fd00:244::/112",
        services="fd00:10::/112",
        api="fd00:10::1",
        all="::",
    ),
}


def chosen() -> Network:
    """Return the network that `$TENURE_NODE_FAMILY` names, IPv4 by default. Raises `ToolError` if there is none."""
    name = os.environ.get(VARIABLE) or "ipv4"
    if name not in NETWORKS:
        raise ToolError(f"{VARIABLE} is {name!r}, and it must be one of {', '.join(NETWORKS)}")
    return NETWORKS[name]
