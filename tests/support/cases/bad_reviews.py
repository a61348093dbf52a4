"""Rows of the table of bad reviews: each spoils a review that is let in, or what carries it."""

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from support.api.review import ABSENT, JSON, Door, Reply, review, stored
from support.objects import manifests
from support.programs.webhook_process import WebhookProcess

CANARY = "canary-4711"
"""A text that no answer may repeat."""

DEPTH = 100_000
DENIED = 200
"""The code of a review that was judged: what it says is in the answer."""

MEBIBYTE = 1024 * 1024


class Row(NamedTuple):
    """How a request is made in a namespace, and the code that it is answered with."""

    send: Callable[[Door, str], Reply]
    code: int


def text(body: bytes, code: int = 400) -> Row:
    """A body that is no review."""
    return Row(lambda door, _: door.send(body), code)


def edited(edit: Callable[[str], bytes | str], code: int = 400) -> Row:
    """The text of a good review, spoilt."""

    def send(door: Door, namespace: str) -> Reply:
        made = edit(json.dumps(review(namespace)))
        return door.send(made if isinstance(made, bytes) else made.encode())

    return Row(send, code)


def asked(code: int = 400, **request: Any) -> Row:
    """A review with other fields of its request."""
    return Row(lambda door, namespace: door.post(review(namespace, **request)), code)


def top(code: int = 400, **fields: Any) -> Row:
    """A review with other fields beside its request."""

    def send(door: Door, namespace: str) -> Reply:
        made = {**review(namespace), **fields}
        return door.post({name: value for name, value in made.items() if value is not ABSENT})

    return Row(send, code)


def made_of(code: int = DENIED, **fields: Any) -> Row:
    """A review of an object with other fields."""

    def send(door: Door, namespace: str) -> Reply:
        body = {**stored(manifests.member("alice", "Viewer"), namespace), **fields}
        return door.post(review(namespace, object={k: v for k, v in body.items() if v is not ABSENT}))

    return Row(send, code)


def with_metadata(code: int = DENIED, **metadata: Any) -> Row:
    """A review of an object with other metadata."""

    def send(door: Door, namespace: str) -> Reply:
        body = stored(manifests.member("alice", "Viewer"), namespace, **metadata)
        body["metadata"] = {name: value for name, value in body["metadata"].items() if value is not ABSENT}
        return door.post(review(namespace, object=body))

    return Row(send, code)


def with_spec(**spec: Any) -> Row:
    """A review of an object with other fields of its spec."""

    def send(door: Door, namespace: str) -> Reply:
        body = stored(manifests.member("alice", "Viewer"), namespace)
        body["spec"] = {name: value for name, value in {**body["spec"], **spec}.items() if value is not ABSENT}
        return door.post(review(namespace, object=body))

    return Row(send, DENIED)


def objects(operation: str, *, new: bool, old: bool) -> Row:
    """A review with these objects, which don't fit its operation."""

    def send(door: Door, namespace: str) -> Reply:
        body = stored(manifests.member("alice", "Viewer"), namespace)
        return door.post(
            review(namespace, operation=operation, object=body if new else None, oldObject=body if old else None)
        )

    return Row(send, DENIED)


def path(path: str, code: int = 404) -> Row:
    """A good review on another path."""
    return Row(lambda door, namespace: door.post(review(namespace), path), code)


def method(method: str, path: str = "/memberships", code: int = 405) -> Row:
    """A good review by another method."""
    return Row(lambda door, namespace: door.send(json.dumps(review(namespace)).encode(), path, method=method), code)


def typed(headers: Mapping[str, str], code: int = 415) -> Row:
    """A good review under other headers."""
    return Row(lambda door, namespace: door.send(json.dumps(review(namespace)).encode(), headers=headers), code)


def padded(size: int, code: int = 413) -> Row:
    """A good review, made so long by spaces."""
    return edited(lambda good: good + " " * (size - len(good)), code)


def raw(head: str, body: bytes = b"{}", code: int = 400) -> Row:
    """A request as bytes."""
    return Row(lambda door, _: door.send_raw(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body), code)


def zipped(body: bytes, code: int) -> Row:
    """A compressed body."""
    return Row(lambda door, _: door.send(gzip.compress(body), headers={**JSON, "Content-Encoding": "gzip"}), code)


def check_refused(row: Row, webhook: WebhookProcess, door: Door, namespace: str) -> None:
    """Assert that a row is answered with its code and not let in, and that the process serves on as if nothing was."""
    pid, seen = webhook.pid, len(webhook.log)

    reply = row.send(door, namespace)

    assert not reply.lets_in
    assert reply.status == row.code, reply
    if reply.status == DENIED:
        assert reply.response["allowed"] is False
        assert reply.response["status"]["code"] == 403
        assert reply.response["status"]["message"]
    assert CANARY not in reply.body.decode()
    assert "Incident" not in webhook.log[seen:]
    assert (webhook.running, webhook.pid) == (True, pid)
    assert door.post(review(namespace)).lets_in
