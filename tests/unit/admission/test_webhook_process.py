"""The webhook as a whole: a part of it that fails by a bug ends it."""

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from tenure.admission import process
from tenure.admission.callers import Callers
from tenure.admission.process import Webhook
from tenure.admission.reader import Context
from tenure.certificates.authority import Authority
from tenure.certificates.keeper import load_pair, server_context
from tenure.errors import TaskFailedError
from tenure.kube.cluster import Cluster
from tenure.kube.connection import Connection
from tenure.listening import PortCheck
from tenure.observability.metrics import Meter
from tenure.settings import WebhookSettings

HOST, LIFE = "127.0.0.1", timedelta(hours=1)


@dataclasses.dataclass
class OneCertificate:
    """A keeper whose certificate is never replaced."""

    context = server_context()
    pause = 3600.0
    served = None

    async def look(self) -> bool:
        return False


async def _errs(*_: object, **__: object) -> str:
    raise KeyError("response")


async def _waits(*_: object) -> None:
    await asyncio.Event().wait()


async def test_a_self_test_that_fails_by_a_bug_ends_the_webhook(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It used to leave the webhook unready without a word."""
    monkeypatch.setattr(process, "find_leak", _errs)
    monkeypatch.setattr(PortCheck, "watch", _waits)  # It would be cut off in the middle of a handshake.
    keeper, stop = OneCertificate(), asyncio.Event()
    load_pair(keeper.context, Authority.create(datetime.now(UTC), LIFE).sign([HOST], datetime.now(UTC), LIFE))
    settings = WebhookSettings(webhook_host=HOST, webhook_port=0)
    async with Cluster(Connection("https://127.0.0.1:1")) as cluster:
        context = Context(cluster, settings.installation, "tenure-system", settings.request_timeout)
        webhook = Webhook(context, keeper, settings, Meter(), Callers(certified=False))
        with pytest.raises(TaskFailedError, match=r"the task self-test failed: KeyError\('response'\)"):
            async with webhook.running(stop):
                await stop.wait()
    assert "Stopping, because the task self-test failed" in caplog.text
