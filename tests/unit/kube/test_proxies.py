"""The proxy through which the API server is reached is the one that kubectl would take."""

from collections.abc import Mapping

import pytest

from tenure.errors import StartRefusedError
from tenure.kube.proxies import find_proxy

P, Q = "http://p:3128", "socks5://q:1080"
API = "https://api.example.com:6443"

ROWS: Mapping[str, tuple[str, str, Mapping[str, str], str | None]] = {
    # The server, proxy-url, the environment, and what the proxy is.
    "none": (API, "", {}, None),
    "the kubeconfig's": (API, Q, {}, f"{Q} (proxy-url)"),
    "the kubeconfig's before the shell's": (API, Q, {"HTTPS_PROXY": P}, f"{Q} (proxy-url)"),
    "the kubeconfig's in spite of NO_PROXY": (API, Q, {"NO_PROXY": "*"}, f"{Q} (proxy-url)"),
    "the shell's": (API, "", {"HTTPS_PROXY": P}, f"{P} (HTTPS_PROXY)"),
    "in lower case": (API, "", {"https_proxy": P}, f"{P} (https_proxy)"),
    "upper case first": (API, "", {"HTTPS_PROXY": P, "https_proxy": Q}, f"{P} (HTTPS_PROXY)"),
    "empty": (API, "", {"HTTPS_PROXY": "", "https_proxy": ""}, None),
    "without a scheme": (API, "", {"HTTPS_PROXY": "p:3128"}, f"{P} (HTTPS_PROXY)"),
    "with a password": (API, "", {"HTTPS_PROXY": "http://me:secret@p:3128"}, f"{P} (HTTPS_PROXY)"),
    "of plain HTTP only": (API, "", {"HTTP_PROXY": P}, None),
    "for plain HTTP": ("http://api.example.com", "", {"HTTP_PROXY": P}, f"{P} (HTTP_PROXY)"),
    "ALL_PROXY isn't kubectl's": (API, "", {"ALL_PROXY": P}, None),
    "never for localhost": ("https://localhost:6443", "", {"HTTPS_PROXY": P}, None),
    "never for a loopback address": ("https://[::1]:6443", "", {"HTTPS_PROXY": P}, None),
}

EXCLUDED: Mapping[str, tuple[str, str, bool]] = {
    # NO_PROXY, the host with its port, and whether it has no proxy.
    "everything": ("*", "api.example.com:6443", True),
    "nothing": (",, ", "api.example.com:6443", False),
    "the host": ("a.b, api.example.com", "api.example.com:6443", True),
    "upper case": ("API.example.com", "api.example.com:6443", True),
    "a domain": ("example.com", "api.example.com:6443", True),
    "a domain with a dot": (".example.com", "api.example.com:6443", True),
    "a domain with a star": ("*.example.com", "api.example.com:6443", True),
    "a dot excludes the domain itself": (".example.com", "example.com:6443", False),
    "the end of a word": ("ample.com", "example.com:6443", False),
    "with its port": ("api.example.com:6443", "api.example.com:6443", True),
    "with another port": ("api.example.com:443", "api.example.com:6443", False),
    "with the usual port": ("api.example.com:443", "api.example.com", True),
    "an address": ("10.0.0.1", "10.0.0.1:6443", True),
    "another address": ("10.0.0.1", "10.0.0.11:6443", False),
    "an address with a port": ("10.0.0.1:6443", "10.0.0.1:6443", True),
    "a network": ("192.168.0.0/16,10.0.0.0/8", "10.1.2.3:6443", True),
    "another network": ("192.168.0.0/16", "10.1.2.3:6443", False),
    "a name is in no network": ("10.0.0.0/8", "api.example.com:6443", False),
    "IPv6": ("fd00::1", "[fd00::1]:6443", True),
    "IPv6 with a port": ("[fd00::1]:6443", "[fd00::1]:6443", True),
    "IPv6 network": ("fd00::/8", "[fd00::1]:6443", True),
    "IPv6 isn't IPv4": ("10.0.0.0/8", "[fd00::1]:6443", False),
}


@pytest.mark.parametrize(
    ("server", "url", "environ", "found"), [pytest.param(*row, id=name) for name, row in ROWS.items()]
)
def test_the_kubeconfigs_counts_before_the_shells(
    server: str, url: str, environ: Mapping[str, str], found: str | None
) -> None:
    proxy = find_proxy(server, url, environ)
    assert (proxy and str(proxy)) == found


@pytest.mark.parametrize(
    ("exceptions", "host", "direct"), [pytest.param(*row, id=name) for name, row in EXCLUDED.items()]
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_names_hosts_domains_and_networks(name: str, exceptions: str, host: str, *, direct: bool) -> None:
    proxy = find_proxy(f"https://{host}", "", {"HTTPS_PROXY": P, name: exceptions})
    assert (proxy is None) is direct


@pytest.mark.parametrize("url", ["socks4://me:secret@p:1080", "ftp://p", "http://", "p:3128", "https:///x"])
def test_a_proxy_of_another_kind_is_refused_by_its_name(url: str) -> None:
    with pytest.raises(StartRefusedError, match=r"\(proxy-url\): Tenure can't use this proxy") as caught:
        find_proxy(API, url, {})
    assert "secret" not in str(caught.value)
