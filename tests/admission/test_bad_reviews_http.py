"""Requests that are bad as HTTP: wrong paths, methods and types, too long, too slow, too many."""

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from support.api.client import fresh_namespace
from support.api.review import HOST, JSON, Door, review
from support.cases.bad_reviews import (
    DENIED,
    MEBIBYTE,
    Row,
    asked,
    check_refused,
    method,
    padded,
    path,
    raw,
    text,
    typed,
    zipped,
)
from support.objects import manifests
from support.run.eventually import eventually
from support.run.slowness import NEVER, slowness

if TYPE_CHECKING:
    from admission.conftest import Judged

HEAD = "POST /memberships HTTP/1.1\nHost: 127.0.0.1\nContent-Type: application/json"

PLACES = {
    "B-57 unknown path": path("/unknown"),
    "B-57 root": path("/"),
    "B-57 slash behind": path("/memberships/"),
    "B-57 below a path": path("/memberships/x"),
    "B-57 upper case": path("/Memberships"),
    "B-57 two slashes": path("//memberships"),
    "B-57 a review to readyz": path("/readyz"),
    "B-57 another kind's path": path("/organizations", DENIED),
    "B-57 another kind's path, keys": path("/apikeys", DENIED),
    "B-57 another group": asked(DENIED, resource={"group": "x", "version": "v1alpha1", "resource": "memberships"}),
    "B-57 another version": asked(DENIED, resource={"group": "tenure.dev", "version": "v1", "resource": "memberships"}),
    "B-57 GET": method("GET"),
    "B-57 PUT": method("PUT"),
    "B-57 PATCH": method("PATCH"),
    "B-57 DELETE": method("DELETE"),
    "B-57 HEAD": method("HEAD"),
    "B-57 OPTIONS": method("OPTIONS"),
    "B-57 no content type": typed({}),
    "B-57 text/plain": typed({"Content-Type": "text/plain"}),
    "B-57 YAML": typed({"Content-Type": "application/yaml"}),
    "B-57 form": typed({"Content-Type": "application/x-www-form-urlencoded"}),
    "B-57 no type at all": typed({"Content-Type": "json"}),
}

SIZES = {
    "B-63 4 MiB and a byte": padded(4 * MEBIBYTE + 1),
    "B-63 9 MiB": padded(9 * MEBIBYTE),
    "B-63 9 MiB of no review": text(b"x" * 9 * MEBIBYTE, 413),
    "B-63 64 MiB compressed to 64 kB": zipped(b" " * 64 * MEBIBYTE, 415),
    "B-63 compressed garbage": Row(
        lambda door, _: door.send(b"\x1f\x8bgarbage", headers={**JSON, "Content-Encoding": "gzip"}), 415
    ),
    "B-63 negative length": raw(f"{HEAD}\nContent-Length: -1"),
    "B-63 two lengths": raw(f"{HEAD}\nContent-Length: 2\nContent-Length: 3"),
    "B-63 length and chunks": raw(f"{HEAD}\nContent-Length: 2\nTransfer-Encoding: chunked"),
    "B-63 bad chunk": raw(f"{HEAD}\nTransfer-Encoding: chunked", b"zz\r\n{}\r\n"),
    "B-63 no length": raw(f"{HEAD}\nTransfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", 411),
    # No longer than what is read at once: a listener that hangs up on the rest may cut its own answer off.
    "B-63 header of 20 kB": raw(f"{HEAD}\nContent-Length: 2\nX: {'x' * 20_000}"),
    "B-63 no HTTP": raw("hello"),
}

ROWS: Mapping[str, Row] = {**PLACES, **SIZES}


@pytest.fixture(scope="module")
def door(judged: "Judged") -> Door:
    """Give the listener of the judged control plane."""
    return Door(judged.plane, judged.port)


@pytest.fixture(scope="module")
def namespace(judged: "Judged") -> Iterator[str]:
    """Give a namespace with an organization in it."""
    with fresh_namespace(judged.plane) as client:
        client.create("organizations", manifests.organization())
        yield client.namespace


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_a_bad_request_is_refused_and_the_next_one_is_served(
    judged: "Judged", door: Door, namespace: str, row: Row
) -> None:
    check_refused(row, judged.webhook, door, namespace)


@pytest.mark.parametrize("size", [3 * MEBIBYTE, 4 * MEBIBYTE], ids=["3 MiB", "4 MiB"])
def test_a_long_review_is_judged(door: Door, namespace: str, size: int) -> None:
    good = json.dumps(review(namespace)).encode()
    assert door.send(good + b" " * (size - len(good))).lets_in


def test_b_63_a_body_that_comes_byte_by_byte_is_cut_off_and_others_are_served(door: Door, namespace: str) -> None:
    served, said = 0, b""
    started = time.monotonic()
    with door.connected() as stream:
        stream.sendall(f"{HEAD}\nContent-Length: 1000\n\n".replace("\n", "\r\n").encode())
        stream.settimeout(1.0)
        while not said and time.monotonic() < started + 30 * slowness():
            assert door.post(review(namespace)).lets_in
            served += 1
            stream.sendall(b" ")
            with suppress(TimeoutError):
                said = stream.recv(4096)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert served > 0
    assert time.monotonic() - started > 3, "a body that comes slowly wasn't waited for"


def test_b_63_while_headers_come_byte_by_byte_others_are_served(door: Door, namespace: str) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(door.connected()) for _ in range(20)]
        for byte in HEAD[:20].encode():
            for stream in streams:
                stream.sendall(bytes([byte]))
            assert door.post(review(namespace)).lets_in


def test_b_63_beside_1000_idle_connections_others_are_served(judged: "Judged", door: Door, namespace: str) -> None:
    process = psutil.Process(judged.webhook.pid)
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(door.connected())
        eventually(lambda: process.num_fds() >= 1000, within=30, describe="1,000 connections are open")
        patient = replace(door, timeout=4 * slowness())  # As an API server is, which gives up after five seconds.
        for _ in range(50):
            assert patient.post(review(namespace)).lets_in
    eventually(lambda: process.num_fds() < 200, within=30, describe="the connections are closed")


def test_b_63_beside_connections_that_never_speak_others_are_served(door: Door, namespace: str) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection((HOST, door.port)))
        for _ in range(20):
            assert door.post(review(namespace)).lets_in


def test_plain_http_is_hung_up_on_and_the_next_review_is_served(door: Door, namespace: str) -> None:
    with socket.create_connection((HOST, door.port), timeout=NEVER) as plain:
        plain.sendall(f"{HEAD}\nContent-Length: 0\n\n".replace("\n", "\r\n").encode())
        assert not plain.recv(4096).startswith(b"HTTP")
    assert door.post(review(namespace)).lets_in
