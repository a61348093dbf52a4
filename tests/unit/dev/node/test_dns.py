"""The node's DNS: which names have which addresses."""

import socket
import struct
from collections.abc import Sequence

import pytest

from tenure_dev.node.dns import answer

A, AAAA, SRV = 1, 28, 33
NAME = "tenure-verifier.tenure-system.svc.cluster.local"
ADDRESSES = {("tenure-verifier", "tenure-system"): ["10.0.0.7", "fd00::7"], ("only-six", "tenure-system"): ["fd00::8"]}


def lookup(name: str, namespace: str) -> Sequence[str]:
    return ADDRESSES.get((name, namespace), ())


def query(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def ask(name: str, kind: int) -> tuple[int, list[str]]:
    """The answer's code, and its addresses."""
    asked = query(name, kind)
    said = answer(asked, lookup)
    identity, flags, questions, count, _, _ = struct.unpack("!HHHHHH", said[:12])
    assert (identity, questions, said[12 : len(asked)]) == (7, 1, asked[12:])
    size = 4 if kind == A else 16
    family = socket.AF_INET if kind == A else socket.AF_INET6
    rest, record = said[len(asked) :], 12 + size
    assert len(rest) == count * record
    return flags & 0xF, [socket.inet_ntop(family, rest[at + 12 : at + record]) for at in range(0, len(rest), record)]


@pytest.mark.parametrize(
    ("name", "kind", "code", "addresses"),
    [
        (NAME, A, 0, ["10.0.0.7"]),
        (NAME, AAAA, 0, ["fd00::7"]),
        (NAME.upper(), A, 0, ["10.0.0.7"]),
        (NAME, SRV, 0, []),
        ("only-six.tenure-system.svc.cluster.local", A, 0, []),
        ("absent.tenure-system.svc.cluster.local", A, 3, []),
        ("tenure-verifier.tenure-system", A, 3, []),
        ("example.com", A, 3, []),
    ],
)
def test_a_service_has_the_addresses_of_the_asked_family(name: str, kind: int, code: int, addresses: list[str]) -> None:
    assert ask(name, kind) == (code, addresses)


@pytest.mark.parametrize("length", [0, 11, 12, 20, -1])
def test_a_query_that_is_cut_off_is_none(length: int) -> None:
    with pytest.raises(ValueError, match="cut off"):
        answer(query(NAME, A)[:length], lookup)
