"""The cluster's DNS, as far as pods here need it: addresses of Services, read from the API server each time."""

import json
import socket
import ssl
import struct
import sys
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from tenure_dev.node.layout import Layout
from tenure_dev.node.network import chosen

PORT = 53
SUFFIX = ("svc", "cluster", "local")
_HEADER = 12
_TTL = 5
_AUTHORITATIVE_ANSWER, _NO_SUCH_NAME = 0x8500, 3
TYPES = {1: socket.AF_INET, 28: socket.AF_INET6}
"""The types A and AAAA."""

Lookup = Callable[[str, str], Sequence[str]]
"""Returns the addresses of a Service by its name and namespace."""


def answer(query: bytes, lookup: Lookup) -> bytes:
    """Return the answer to a query with one question. Raises `ValueError` if it is none."""
    labels, end = _question(query)
    (kind,) = struct.unpack("!H", query[end - 4 : end - 2])
    service = labels[:2] if len(labels) == 2 + len(SUFFIX) and tuple(labels[2:]) == SUFFIX else None
    found = lookup(*service) if service else ()
    records = [packed for each in found if (packed := _packed(kind, each))]
    flags = _AUTHORITATIVE_ANSWER | (0 if found else _NO_SUCH_NAME)
    head = query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
    # Each record points back to the name in the question.
    return (
        head
        + query[_HEADER:end]
        + b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, _TTL, len(packed)) + packed for packed in records)
    )


def _question(query: bytes) -> tuple[list[str], int]:
    """Return the name's labels, and where the question ends."""
    at, labels = _HEADER, []
    try:
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
            at += 1 + length
    except IndexError as error:
        raise ValueError("the question is cut off") from error
    end = at + 5
    if len(query) < end:
        raise ValueError("the question is cut off")
    return labels, end


def _packed(kind: int, address: str) -> bytes | None:
    family = TYPES.get(kind)
    if family is None or (":" in address) != (family is socket.AF_INET6):
        return None
    return socket.inet_pton(family, address)


def _asking(plane: Path, server: str) -> Lookup:
    tls = ssl.create_default_context(cafile=str(plane / "pki" / "ca.crt"))
    tls.load_cert_chain(plane / "pki" / "admin.crt", plane / "pki" / "admin.key")

    def lookup(name: str, namespace: str) -> Sequence[str]:
        url = f"{server}/api/v1/namespaces/{namespace}/services/{name}"
        try:
            with urllib.request.urlopen(url, context=tls, timeout=3) as response:  # noqa: S310
                spec = json.load(response)["spec"]
        except OSError:
            return ()
        return [each for each in spec.get("clusterIPs", ()) if each != "None"]

    return lookup


def main() -> None:
    """Serve until the process is ended: `python -m tenure_dev.node.dns FOLDER SERVER`."""
    lookup = _asking(Layout(Path(sys.argv[1])).plane, sys.argv[2])
    network = chosen()
    with socket.socket(network.family, socket.SOCK_DGRAM) as listener:
        listener.bind((network.address, PORT))
        while True:
            query, client = listener.recvfrom(512)
            try:
                listener.sendto(answer(query, lookup), client)
            except (OSError, ValueError) as error:
                print("not answered:", error, flush=True)


if __name__ == "__main__":
    main()
