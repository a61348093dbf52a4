"""No task in the background dies silently: the process says so and ends."""

import ast
import asyncio
import logging

import pytest

from tenure.errors import TaskFailedError
from tenure.process.tasks import background
from tenure_dev.paths import CHECKOUT

SOURCES = CHECKOUT / "operator" / "tenure"
STARTS_TASKS = {
    # In the background, watched over by `background`.
    "admission/process.py running",
    "console/server.py _serve",
    "controller/controller.py running",
    "controller/queue.py start",
    "mail/page.py page_served",
    "mail/process.py _work",
    "process/given_certificate.py given_certificate",
    "verifier/process.py _serve",
    "verifier/process.py _watch_over",
    # Awaited where it is started, so its error is raised there.
    "admission/server.py serving",
    "kube/election.py _claim",
    "process/kopf_runtime.py _until_ended",
    "process/http_server.py serve",
    "process/signals.py result_before",
    "revocation/revoking.py revoke_keys",
    "mail/process.py _leading",
    # The server waits for these, and ends with the error of the first that fails.
    "mail/store.py running",
    "verifier/verifier.py running",
    # It ends only with the other process, and both ends notice that.
    "process/channel.py running",
    # It answers every error to the process that asked.
    "process/channel.py _take",
    # It logs its error and ends the process itself.
    "controller/leadership.py running",
    # It logs every error and goes on, and the next request starts it again.
    "kube/gate.py _keep_probing",
}


async def _fail() -> None:
    raise KeyError("kind")


async def _wait() -> None:
    await asyncio.Event().wait()


async def test_a_task_that_fails_is_logged_and_ends_the_process(caplog: pytest.LogCaptureFixture) -> None:
    stop, other = asyncio.Event(), asyncio.create_task(_wait(), name="port")
    with pytest.raises(
        TaskFailedError, match=r"^the task self-test failed: KeyError\('kind'\) \(test_tasks\.py, line "
    ):
        async with background(stop, asyncio.create_task(_fail(), name="self-test"), other):
            await stop.wait()
    assert other.cancelled()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("Stopping, because the task self-test failed: KeyError('kind')")
    assert record.exc_info is None


async def test_tasks_that_finish_or_are_cancelled_are_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    stop = asyncio.Event()
    done, cancelled, running = (
        asyncio.create_task(asyncio.sleep(0), name="announcement"),
        asyncio.create_task(_wait(), name="worker 0"),
        asyncio.create_task(_wait(), name="port"),
    )
    async with background(stop, done, cancelled, running):
        cancelled.cancel()
        await asyncio.wait([done, cancelled])
    assert running.cancelled()
    assert not stop.is_set()
    assert caplog.records == []


async def test_the_error_of_the_block_counts_more_and_an_unclean_end_not_at_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def ends_badly() -> None:
        try:
            await _wait()
        finally:
            raise OSError("closed")

    stop, task = asyncio.Event(), asyncio.create_task(ends_badly(), name="port")

    async def block() -> None:
        async with background(stop, task):
            await asyncio.sleep(0)
            raise ValueError("the block")

    with pytest.raises(ValueError, match="the block"):
        await block()
    assert isinstance(task.exception(), OSError)
    assert caplog.records == []


def test_every_place_that_starts_a_task_says_how_its_failure_shows() -> None:
    """A new place belongs into the table, after you have thought about what happens if its task fails."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
                names = {ast.unparse(call).rpartition(".")[2] for call in calls}
                if names & {"create_task", "ensure_future"}:
                    found.add(f"{path.relative_to(SOURCES)} {function.name}")
    assert found == STARTS_TASKS
