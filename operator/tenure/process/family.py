"""A program as several processes: a parent forks its children, and all of them end together."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tenure.errors import TaskFailedError

log = logging.getLogger("tenure")

_STOP_SECONDS = 10.0
"""Time that children have to stop by themselves. It is more than an answer in flight may take."""


@dataclass
class Child:
    """A forked process."""

    number: int
    """From 1 on."""

    pid: int
    end: socket.socket
    """The parent's end of the pair of sockets between the two."""

    exit_code: int | None = None
    """Negative for a signal, and None while the process runs."""

    @property
    def title(self) -> str:
        """How people read of it."""
        return f"process {self.number}"


def fork_children(count: int, run: Callable[[int, socket.socket], int]) -> Sequence[Child]:
    """Fork so many processes. Each calls `run` with its number and its end of a pair of sockets, and then exits.

    Call it before an event loop or a thread is started, and after everything was imported: the children share that
    memory.
    """
    gc.collect()
    gc.freeze()  # The collector writes into the objects that it looks at, so their memory wouldn't stay shared.
    children: list[Child] = []
    for number in range(1, count + 1):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            for end in (ours, *(child.end for child in children)):
                end.close()
            _be_child(lambda: run(number, theirs))  # noqa: B023 - it is called at once
        theirs.close()
        children.append(Child(number, pid, ours))
    return children


def _be_child(run: Callable[[], int]) -> None:
    """Run a child to its end. It never returns, because the caller is the parent's business."""
    code = 1
    try:
        code = run()
    except BaseException:  # noqa: BLE001 - also SystemExit must not reach the parent's code
        traceback.print_exc()
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


class Family:
    """The parent's view of its children."""

    def __init__(self, children: Sequence[Child]) -> None:
        """Watch over these children. It needs a running event loop."""
        self._children = children
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)
        self._reap()  # A child may have ended before.

    async def ended(self) -> None:
        """Wait until a child has ended."""
        while all(child.exit_code is None for child in self._children):
            self._ended.clear()
            await self._ended.wait()

    async def stop(self) -> None:
        """Let all children stop, and kill those that don't."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self._running and time.monotonic() < deadline:
            await self._one_more(deadline - time.monotonic())
        if self._running:
            log.error("Killing %s, which doesn't stop", " and ".join(child.title for child in self._running))
            self._signal(signal.SIGKILL)
        while self._running:
            await self._one_more(_STOP_SECONDS)

    def failure(self) -> TaskFailedError | None:
        """Return why the program failed, or None if all children ended well or still run."""
        for child in self._children:
            if child.exit_code not in (None, 0, -signal.SIGTERM):  # By SIGTERM, it ended before it could take signals.
                return TaskFailedError(f"{child.title} of {len(self._children)} {_describe(child.exit_code)}")
        return None

    @property
    def _running(self) -> Sequence[Child]:
        return [child for child in self._children if child.exit_code is None]

    def _signal(self, number: signal.Signals) -> None:
        for child in self._running:
            os.kill(child.pid, number)

    async def _one_more(self, seconds: float) -> None:
        self._ended.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return

    def _reap(self) -> None:
        for child in self._running:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                child.exit_code = os.waitstatus_to_exitcode(status)
                self._ended.set()


def _describe(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "was killed (SIGKILL). The memory limit may be too low for so many processes (--processes)"
    if exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"
