"""What judging a role change adds to it: 50 a second, in an organization with many members and keys."""

import asyncio
import base64
import contextlib
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from bench.api import MERGE_PATCH, Api, RequestFailedError, collection
from bench.figures import Admission, percentile
from bench.operators import Launcher, Operator
from bench.tenancy import Tenancy
from tenure_dev import webhooks
from tenure_dev.controlplane import free_ports
from tenure_dev.processes import Process

PER_SECOND = 50
LISTENS_WITHIN = 30.0
CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

_HERE = Path(__file__).resolve().parent
_JUDGED = re.compile(r"UPDATE memberships judged in ([0-9.]+) ms")
_BUCKET = re.compile(
    r'apiserver_admission_webhook_admission_duration_seconds_bucket\{(?=[^}]*name="memberships\.tenure\.dev")'
    r'(?=[^}]*operation="UPDATE")[^}]*le="(?P<bound>[^"]+)"[^}]*\} (?P<count>[0-9.e+]+)'
)


@dataclass(frozen=True)
class Contender:
    """Who judges: an operator's command line, and the organization's rule."""

    operator: Operator
    role: str
    """The role that everybody is given, so that each contender has as many changes."""

    rule: str = "Warn"


NOBODY = Operator("nobody", "no webhook", ())
PLAIN_WEBHOOK = Operator(
    "plain-webhook",
    "plain Kopf webhook",
    ("-m", "kopf", "run", "--standalone", "--all-namespaces", str(_HERE / "plain_webhook.py")),
)
WARNS = Operator("webhook-warn", "Tenure, Warn", ())
ASKS = Operator("webhook-ask", "Tenure, RequireAcknowledgement", ())
WEBHOOKS = (NOBODY, PLAIN_WEBHOOK, WARNS, ASKS)
CONTENDERS = (
    Contender(NOBODY, "Analyst"),
    Contender(PLAIN_WEBHOOK, "Viewer"),
    # Under each rule the keys still stand in the status, since the operator is stopped meanwhile.
    Contender(WARNS, "Member"),
    Contender(ASKS, "Analyst", "RequireAcknowledgement"),
)


async def judge(
    api: Api, launcher: Launcher, place: Tenancy, seconds: int
) -> AsyncGenerator[tuple[Operator, Admission]]:
    """Change roles under each contender in turn; the operator doesn't run, so nothing else is done meanwhile."""
    for contender in CONTENDERS:
        organization = f"{collection(place.namespace, 'organizations')}/acme"
        await api.send("PATCH", organization, {"spec": {"roleChanges": {"whenKeysExist": contender.rule}}}, MERGE_PATCH)
        async with _serving(api, launcher, contender.operator) as log:
            before = await _histogram(api)
            latencies = await _change_roles(api, place, contender.role, PER_SECOND * seconds)
            after = await _histogram(api)
        own = [float(found) for found in _JUDGED.findall(log.read_text())] if log is not None else []
        within = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
        yield (
            contender.operator,
            Admission(
                changes=len(latencies),
                request_p50_ms=percentile(latencies, 50),
                request_p99_ms=percentile(latencies, 99),
                own_p50_ms=percentile(own, 50),
                own_p99_ms=percentile(own, 99),
                within_5_ms=_share(within, "0.005"),
                within_25_ms=_share(within, "0.025"),
            ),
        )


async def _change_roles(api: Api, place: Tenancy, role: str, count: int) -> list[float]:
    """Give so many members a role on a schedule, and return what each answer took, in milliseconds."""
    begun, latencies = time.monotonic(), []

    async def change(member: str) -> None:
        asked = time.monotonic()
        path = f"{collection(place.namespace, 'memberships')}/{member}"
        await api.send("PATCH", path, {"spec": {"role": role}}, MERGE_PATCH)
        latencies.append((time.monotonic() - asked) * 1000)

    async with asyncio.TaskGroup() as group:
        for number, member in enumerate(place.members[:count]):
            await asyncio.sleep(max(begun + number / PER_SECOND - time.monotonic(), 0.0))
            group.create_task(change(member))
    return latencies


@asynccontextmanager
async def _serving(api: Api, launcher: Launcher, operator: Operator) -> AsyncIterator[Path | None]:
    """Have somebody judge while the block runs; gives the log of one who tells what each judgement took."""
    if operator is NOBODY:
        yield None
        return
    (port,) = free_ports(1)
    arguments: Sequence[str] = operator.arguments
    environment: dict[str, str] = {}
    configuration = webhooks.configuration(port)
    if operator is PLAIN_WEBHOOK:
        environment, authority = _certificate(launcher.folder, port)
        configuration["webhooks"] = [
            {**webhook, "clientConfig": {**webhook["clientConfig"], "caBundle": authority}}
            for webhook in configuration["webhooks"]
            if webhook["name"].startswith("memberships.")
        ]
    else:
        arguments = (*webhooks.command(port)[1:], "--log-level", "debug")
        with contextlib.suppress(RequestFailedError):  # It is there from the contender before.
            await api.send("POST", "/api/v1/namespaces", {"metadata": {"name": webhooks.NAMESPACE}})
    process = launcher.process(operator, arguments, environment)
    process.log.unlink(missing_ok=True)
    await api.send("POST", CONFIGURATION, configuration)
    process.start()
    try:
        await _listens(process, port)
        yield None if operator is PLAIN_WEBHOOK else process.log
    finally:
        await api.send("DELETE", f"{CONFIGURATION}/tenure")
        process.stop()


async def _listens(process: Process, port: int) -> None:
    """Wait until somebody listens on a port, and Tenure until its self-test has passed."""
    deadline = time.monotonic() + LISTENS_WITHIN
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            if "tenure" not in process.command or webhooks.READY_LINE in process.tail(1000):
                await asyncio.sleep(1.0)  # The API server learns of the configuration by a watch.
                return
        await asyncio.sleep(0.1)
    raise process.failure(f"doesn't listen after {LISTENS_WITHIN:.0f} s")


def _certificate(folder: Path, port: int) -> tuple[dict[str, str], str]:
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    certificate, key = folder / "plain-webhook.crt", folder / "plain-webhook.key"
    leaf.cert_chain_pems[0].write_to_path(certificate)
    leaf.private_key_pem.write_to_path(key)
    environment = {"BENCH_PORT": str(port), "BENCH_CERTIFICATE": str(certificate), "BENCH_KEY": str(key)}
    return environment, base64.b64encode(authority.cert_pem.bytes()).decode()


async def _histogram(api: Api) -> dict[str, float]:
    """The API server's own count of what the webhook took, by the upper bound in seconds."""
    text = (await api.send("GET", "/metrics")).decode()
    return {found["bound"]: float(found["count"]) for found in _BUCKET.finditer(text)}


def _share(within: Mapping[str, Any], bound: str) -> float | None:
    total = within.get("+Inf", 0.0)
    return float(within.get(bound, 0.0)) / total if total else None
