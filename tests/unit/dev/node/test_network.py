"""The node's addresses in both families, and what chooses between them."""

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from tenure_dev.errors import ToolError
from tenure_dev.node.binaries import policies_enforced
from tenure_dev.node.network import NETWORKS, Network, chosen


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_the_addresses_fit_each_other(network: Network) -> None:
    link = ip_interface(f"{network.address}/{network.bits}").network

    assert ip_address(network.gateway) in link
    assert ip_address(network.api) == ip_network(network.services)[1]
    assert ip_network(network.anywhere).prefixlen == 0
    ranges = [ip_network(each) for each in (network.pods, network.services, str(link))]
    assert not any(one.overlaps(other) for one in ranges for other in ranges if one is not other)


@pytest.mark.parametrize(
    ("said", "address"), [("", "192.168.49.2:1"), ("ipv4", "192.168.49.2:1"), ("ipv6", "[fd00:49::2]:1")]
)
def test_a_variable_chooses_the_family(monkeypatch: pytest.MonkeyPatch, said: str, address: str) -> None:
    monkeypatch.setenv("TENURE_NODE_FAMILY", said)
    assert chosen().with_port(1) == address


def test_another_family_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENURE_NODE_FAMILY", "dual")
    with pytest.raises(ToolError, match="TENURE_NODE_FAMILY is 'dual', and it must be one of ipv4, ipv6"):
        chosen()


@pytest.mark.parametrize(
    ("said", "family", "enforced"),
    [("", "ipv4", True), ("enforced", "ipv4", True), ("stored", "ipv4", False), ("enforced", "ipv6", False)],
)
def test_a_variable_chooses_whether_policies_are_enforced(
    monkeypatch: pytest.MonkeyPatch, said: str, family: str, *, enforced: bool
) -> None:
    monkeypatch.setenv("TENURE_NODE_POLICIES", said)
    monkeypatch.setenv("TENURE_NODE_FAMILY", family)
    assert policies_enforced() is enforced


def test_another_word_for_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENURE_NODE_POLICIES", "no")
    with pytest.raises(ToolError, match="TENURE_NODE_POLICIES is 'no', and it must be enforced or stored"):
        policies_enforced()
