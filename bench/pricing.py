"""`python -m bench.pricing`: what the webhook needs to price a role change of a member with many large keys.

The API server's answers are bytes in memory, so the figures are those of the webhook alone: reading, parsing, judging
and wording. CPU time and bytes hardly depend on what else the machine does.
"""

import asyncio
import json
import resource
import time
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console

from tenure.admission.dispatch import judge
from tenure.admission.reader import Context
from tenure.domain.admission.request import AdmissionRequest
from tenure.domain.installation import Installation
from tenure.domain.resources import Membership
from tenure.errors import ObjectNotFoundError
from tenure.kube.cluster import Cluster
from tenure.kube.objects import PAGE_SIZE

NAMESPACE, API_VERSION = "acme", "tenure.dev/v1alpha1"
NOW = datetime.now(UTC).replace(microsecond=0)
ROUNDS = 5
PROMISED_SECONDS = 1.0
"""How long the pricing of a role change may take."""

MIB = 1024 * 1024

out = Console()


class Answers(Cluster):
    """The client of an API server that has these objects, as bytes of its pages."""

    def __init__(self, keys: list[Mapping[str, Any]]) -> None:
        self._pages: dict[str, list[bytes]] = {
            "spec.membership": _paged("ApiKeyList", keys),
            "status.issued.membership": _paged("ApiKeyList", [key for key in keys if "issued" in key["status"]]),
        }

    async def request(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, **_: Any
    ) -> dict[str, Any]:
        """Answer as the API server does."""
        if method == "POST":
            return {"status": {"allowed": True}}
        if path.endswith("/organizations/acme"):
            return organization()
        if not path.endswith("/apikeys"):
            raise ObjectNotFoundError(f"{method} {path}: not found", status=404)
        query = params or {}
        pages = self._pages.get(query["fieldSelector"].partition("=")[0], _paged("ApiKeyList", []))
        answer: dict[str, Any] = json.loads(pages[int(query.get("continue") or 0)])
        return answer


def _paged(kind: str, items: list[Mapping[str, Any]]) -> list[bytes]:
    pages = []
    for first in range(0, max(len(items), 1), PAGE_SIZE):
        more = str(first // PAGE_SIZE + 1) if first + PAGE_SIZE < len(items) else ""
        body = {"kind": kind, "metadata": {"resourceVersion": "9", "continue": more}}
        pages.append(json.dumps({**body, "items": items[first : first + PAGE_SIZE]}).encode())
    return pages


def metadata(name: str, **more: Any) -> dict[str, Any]:
    """The metadata of an object that the API server has stored."""
    times = {"creationTimestamp": (NOW - timedelta(days=9)).isoformat()}
    return {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "resourceVersion": "7", **times, **more}


def organization() -> dict[str, Any]:
    """An Organization that asks for an acknowledgement, so that the webhook lists all keys."""
    spec = {"displayName": "Acme", "roleChanges": {"whenKeysExist": "RequireAcknowledgement"}}
    return {"apiVersion": API_VERSION, "kind": "Organization", "metadata": metadata("acme"), "spec": spec}


def member(role: str) -> dict[str, Any]:
    """The member whose role changes."""
    spec = {"organization": "acme", "subject": {"kind": "User", "name": "alice@acme.io"}, "role": role}
    generation = 1 if role == "Member" else 2
    return {
        "apiVersion": API_VERSION,
        "kind": "Membership",
        "metadata": metadata("alice", generation=generation),
        "spec": spec,
        "status": {"observedGeneration": 1},
    }


def large_key(number: int, kilobytes: int, *, issued: bool) -> dict[str, Any]:
    """A key with so many bytes of annotations."""
    name = f"key-{number:05}"
    stamp = {
        "organizationUID": "uid-acme",
        "membershipUID": "uid-alice",
        "membershipGeneration": 1,
        "role": "Member",
        "revision": 1,
        "at": (NOW - timedelta(days=1)).isoformat(),
        "membership": "alice",
    }
    token = {"keyId": f"id{number:010}", "hash": f"sha256:{number:064x}", "secretUID": f"s{number}", "issued": stamp}
    return {
        "metadata": metadata(name, annotations={"acme.io/note": "x" * (kilobytes * 1024)}),
        "spec": {"membership": "alice", "access": "Full", "description": "x" * 200},
        "status": {"observedGeneration": 1, **(token if issued else {})},
    }


def request() -> AdmissionRequest:
    """The review of the role change, without an acknowledgement."""
    return AdmissionRequest.model_validate(
        {
            "uid": "1",
            "operation": "UPDATE",
            "namespace": NAMESPACE,
            "name": "alice",
            "resource": {"group": "tenure.dev", "version": "v1alpha1", "resource": "memberships"},
            "object": member("Viewer"),
            "oldObject": member("Member"),
            "userInfo": {"username": "olga@acme.io"},
        }
    )


async def price(cluster: Cluster) -> str:
    """Judge the role change, and return the refusal that names the keys."""
    context = Context(cluster, Installation(), "tenure-system", 60.0, now=lambda: NOW)
    return (await judge(context, Membership, request())).message


def main(
    keys: Annotated[int, typer.Option(help="Number of the member's keys. The first 1,000 are issued.")] = 1500,
    kilobytes: Annotated[int, typer.Option(help="KiB of annotations of each key.")] = 8,
) -> None:
    """Measure CPU time, time and memory of the pricing of one role change."""
    cluster = Answers([large_key(number, kilobytes, issued=number < 1000) for number in range(keys)])  # noqa: PLR2004
    message = asyncio.run(price(cluster))
    used: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        cpu, began = time.process_time(), time.perf_counter()
        asyncio.run(price(cluster))
        used.append((time.process_time() - cpu, time.perf_counter() - began))
    tracemalloc.start()
    asyncio.run(price(cluster))
    _, peak = tracemalloc.get_traced_memory()
    cpu, wall = sorted(used)[ROUNDS // 2]
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out.print(f"{keys:,} keys with {kilobytes} KiB of annotations each: {message[:80]}…", markup=False, highlight=False)
    out.print(f"CPU {cpu:.2f} s, time {wall:.2f} s (median of {ROUNDS}), of {PROMISED_SECONDS:.0f} s that it may take")
    out.print(f"heap at most {peak / MIB:.0f} MiB more, process at most {resident:.0f} MiB with the answers in memory")


if __name__ == "__main__":
    typer.run(main)
