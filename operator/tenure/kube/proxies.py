"""Finds the proxy through which the API server is reached, by the rules of kubectl."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from tenure.errors import StartRefusedError

_SCHEMES = ("http", "https", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """A proxy."""

    url: str
    source: str
    """What names it: `proxy-url` of the kubeconfig, or a variable."""

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS instead of HTTP."""
        return self.url.startswith("socks")

    def __str__(self) -> str:
        """Return its address without a password, and what names it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} ({self.source})"


def find_proxy(server: str, proxy_url: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for a server: the kubeconfig's, or else that of the environment, or None.

    Raises:
        StartRefusedError: it isn't the URL of a proxy that Tenure can use.
    """
    if proxy_url:
        return _checked(Proxy(proxy_url, "proxy-url"))
    target = urlsplit(server)
    if target.scheme not in _PORTS:
        return None
    for name in (f"{target.scheme.upper()}_PROXY", f"{target.scheme.lower()}_proxy"):
        if value := environ.get(name, ""):
            if _is_excluded(target, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
                return None
            return _checked(Proxy(value if "://" in value else f"http://{value}", name))
    return None


def _checked(proxy: Proxy) -> Proxy:
    parts = urlsplit(proxy.url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise StartRefusedError(f"{proxy}: Tenure can't use this proxy. Use a URL with one of {', '.join(_SCHEMES)}")
    return proxy


def _is_excluded(target: SplitResult, exceptions: str) -> bool:
    """Tell whether `NO_PROXY` names the host. A loopback address never has a proxy."""
    host = (target.hostname or "").rstrip(".")
    network = _network(host)
    if host == "localhost" or (network is not None and network.is_loopback):
        return True
    port = str(target.port or _PORTS[target.scheme])
    return any(_matches(entry.strip().lower(), host, port) for entry in exceptions.split(","))


def _matches(entry: str, host: str, port: str) -> bool:
    """Tell whether an entry of `NO_PROXY` names the host. It is an address, a network or a domain, or has a port."""
    if _network(entry) is None and ":" in entry:
        entry, _, only = entry.rpartition(":")
        if only != port:
            return False
    network, address = _network(entry), _network(host)
    if network is not None:
        return address is not None and address.version == network.version and address.network_address in network
    suffix = entry.removeprefix("*")
    if not suffix:
        return entry == "*"
    return host == suffix or host.endswith(f".{suffix.removeprefix('.')}")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.removeprefix("[").removesuffix("]"), strict=False)
    except ValueError:
        return None
