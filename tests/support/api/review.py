"""AdmissionReviews posted straight to the webhook's listener, as nobody but the API server should."""

import base64
import copy
import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

from support.api.api import Body
from support.objects import manifests
from support.run.slowness import NEVER
from tenure.domain.resources.base import GROUP, VERSION
from tenure_dev.controlplane import ControlPlane

HOST = "127.0.0.1"
JSON: Mapping[str, str] = {"Content-Type": "application/json"}
CREATED = "2027-01-04T09:00:00Z"

ABSENT = object()
"""A field that is left out."""


class Reply(NamedTuple):
    """What the listener answers."""

    status: int
    body: bytes

    @property
    def response(self) -> Body:
        """The response of an answered review; empty where there is none."""
        found: Body = json.loads(self.body).get("response", {}) if self.status == http.client.OK else {}
        return found

    @property
    def lets_in(self) -> bool:
        """Whether the API server would let the change in by this answer."""
        return self.response.get("allowed") is True


@dataclass(frozen=True)
class Door:
    """The listener's address, and the authority that the API server trusts there."""

    plane: ControlPlane
    port: int
    timeout: float = NEVER
    trusted: str = field(init=False)

    def __post_init__(self) -> None:
        path = "jsonpath={.webhooks[0].clientConfig.caBundle}"
        bundle = self.plane.kubectl("get", "validatingwebhookconfiguration", "tenure", f"--output={path}").stdout
        object.__setattr__(self, "trusted", base64.b64decode(bundle).decode())

    def send(
        self, body: bytes, path: str = "/memberships", *, method: str = "POST", headers: Mapping[str, str] = JSON
    ) -> Reply:
        """Make one request on a connection of its own."""
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=self.timeout, context=self._tls())
        try:
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            return Reply(answer.status, answer.read())
        finally:
            connection.close()

    def post(self, review: Any, path: str = "/memberships") -> Reply:
        """Post a review."""
        return self.send(json.dumps(review).encode(), path)

    def send_raw(self, data: bytes) -> Reply:
        """Send bytes as they are, and read one answer to them."""
        with self.connected() as stream:
            stream.sendall(data)
            answer = http.client.HTTPResponse(stream)
            answer.begin()
            return Reply(answer.status, answer.read())

    @contextmanager
    def connected(self) -> Iterator[ssl.SSLSocket]:
        """Give a connection on which nothing was sent yet."""
        with (
            socket.create_connection((HOST, self.port), timeout=self.timeout) as plain,
            self._tls().wrap_socket(plain, server_hostname=HOST) as stream,
        ):
            yield stream

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.trusted)


def review(where: str, /, **request: Any) -> Body:
    """A review of the creation of a Membership by an administrator, which is let in; `request` changes its fields."""
    uid = str(uuid4())
    made: Body = {
        "uid": uid,
        "kind": {"group": GROUP, "version": VERSION, "kind": "Membership"},
        "resource": {"group": GROUP, "version": VERSION, "resource": "memberships"},
        "requestKind": {"group": GROUP, "version": VERSION, "kind": "Membership"},
        "requestResource": {"group": GROUP, "version": VERSION, "resource": "memberships"},
        "name": "alice",
        "namespace": where,
        "operation": "CREATE",
        "userInfo": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
        "object": stored(manifests.member("alice", "Viewer"), where),
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    fields = {name: value for name, value in {**made, **request}.items() if value is not ABSENT}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": fields}


def stored(body: Body, namespace: str, **metadata: Any) -> Body:
    """An object as the API server holds it when it asks."""
    given = {
        "namespace": namespace,
        "uid": str(uuid4()),
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": CREATED,
    }
    made = copy.deepcopy(body)
    made["metadata"] = {**made["metadata"], **given, **metadata}
    return made
