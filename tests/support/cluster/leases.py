"""The lease of an organization's Owners: as it is stored, as a test stores it, and held at the worst moment."""

import asyncio
import json
import threading
from datetime import UTC, datetime
from typing import Any

from support.api.api import Api
from support.faults.exchange import Answer, Reply, Request
from support.faults.proxy import Proxy
from support.run.eventually import eventually
from tenure.domain.lease import Lease
from tenure_dev.controlplane import ControlPlane
from tenure_dev.webhooks import NAMESPACE

Body = dict[str, Any]

STORED = (200, 201)


def lease_name(namespace: str) -> str:
    """The name of the lease of the Owners in a namespace."""
    return f"tenure-owners-{namespace}"


def stored_lease(plane: ControlPlane, namespace: str) -> Body | None:
    """The lease of the Owners in a namespace, as it is stored; None: there is none."""
    arguments = ("get", "lease", lease_name(namespace), f"--namespace={NAMESPACE}", "--ignore-not-found")
    output = plane.kubectl(*arguments, "--output=json").stdout
    return json.loads(output) if output.strip() else None


def hold_lease(plane: ControlPlane, holder: Body, *, seconds: int) -> None:
    """Hold the lease for an Owner, as if a change to it were under way that never ends."""
    metadata = holder["metadata"]
    lease = Lease(
        namespace=NAMESPACE,
        name=lease_name(metadata["namespace"]),
        holder=metadata["uid"],
        held_version=metadata["resourceVersion"],
        acquired=datetime.now(UTC),
        seconds=seconds,
    )
    plane.kubectl("create", "--filename=-", input=json.dumps(lease.to_body()))


class Gate:
    """Keeps the webhook waiting once an Owner's lease is stored; before that, nothing is different."""

    def __init__(self, proxy: Proxy, holder: Body) -> None:
        self._uid = holder["metadata"]["uid"]
        self._closed = threading.Event()
        self._opened = threading.Event()
        proxy.on_response = self._wait

    def wait_closed(self) -> None:
        """Wait until the lease is stored, and the webhook hasn't answered yet."""
        eventually(self._closed.is_set, within=30, every=0.01, describe="the lease is taken")

    def open(self) -> None:
        """Let the webhook go on."""
        self._opened.set()

    async def _wait(self, request: Request, reply: Reply) -> Answer:
        if is_lease_of(self._uid, request) and reply.status in STORED and not self._closed.is_set():
            self._closed.set()
            while not self._opened.is_set():  # noqa: ASYNC110 - the test opens it from another thread
                await asyncio.sleep(0.01)
        return None


def is_lease_of(uid: str, request: Request) -> bool:
    """Whether a request takes the lease for an Owner."""
    if request.resource != "leases" or not request.is_write:
        return False
    return bool(request.json.get("spec", {}).get("holderIdentity") == uid)


def touch(api: Api, member: str) -> None:
    """Change a Membership as the operator does, so that it has another version and nobody is asked."""
    api.patch("memberships", member, {"status": {"observedGeneration": 1000}}, subresource="status")
