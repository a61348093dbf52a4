"""CPU time and memory: of an operator, of the control plane, and of whatever else the machine does meanwhile."""

import contextlib
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import psutil

INTERVAL_SECONDS = 0.2
BUSY_SHARE = 0.15
"""Above this share of a core, a process is at work; an idle Kopf process takes a tenth of it."""

_CHILDREN_EVERY = 10


@dataclass(frozen=True)
class Sample:
    """The state of an operator's processes together."""

    at: float
    """In seconds since the epoch."""
    cpu: float
    """User and system time so far, in seconds."""
    rss: int
    """Resident memory in bytes."""


@dataclass(frozen=True)
class Spent:
    """CPU time so far, or between two moments, in seconds."""

    at: float
    operator: float
    plane: float
    """Of etcd, API server and controller manager."""
    others: float
    """Of all programs that aren't part of the benchmark: the higher, the less the figures say."""

    def __sub__(self, before: Self) -> "Spent":
        return Spent(
            self.at - before.at,
            self.operator - before.operator,
            self.plane - before.plane,
            max(self.others - before.others, 0.0),
        )

    @property
    def others_percent(self) -> float:
        """What other programs took of the whole machine."""
        return self.others * 100 / (self.at * (os.cpu_count() or 1))


class Usage:
    """Samples a process and its children, five times a second, until it is told to stop."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._family = [self._process]
        self._bench = psutil.Process()
        self._plane = [child for child in self._bench.children() if child.pid != pid]
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.samples: list[Sample] = []
        self.sample()
        self.first = self.spent()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._thread.start()

    def sample(self) -> Sample:
        """Take a sample now."""
        with self._lock:
            if len(self.samples) % _CHILDREN_EVERY == 0:
                self._find_children()
            rss = 0
            for process in self._family:
                with contextlib.suppress(psutil.Error):
                    rss += process.memory_info().rss
            self.samples.append(Sample(time.time(), _cpu_seconds(self._family), rss))
            return self.samples[-1]

    def spent(self) -> Spent:
        """The CPU time that everybody has spent so far."""
        sample, plane, machine = self.sample(), _cpu_seconds(self._plane), psutil.cpu_times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0) - getattr(machine, "guest", 0.0)
        return Spent(sample.at, sample.cpu, plane, busy - sample.cpu - plane - _cpu_seconds([self._bench]))

    def peak(self, since: float) -> int:
        """The most memory that was resident since a moment, in bytes."""
        return max((sample.rss for sample in self.samples if sample.at >= since), default=0)

    def cpu_at(self, moment: float) -> float:
        """The operator's CPU time until a moment, in seconds."""
        return max((sample.cpu for sample in self.samples if sample.at <= moment), default=0.0)

    def last_busy_at(self) -> float:
        """When the processes were last seen at work, in seconds since the epoch; 0 where they never were."""
        pairs = list(zip(self.samples, self.samples[1:], strict=False))
        for before, after in reversed(pairs):
            if after.cpu - before.cpu > BUSY_SHARE * max(after.at - before.at, INTERVAL_SECONDS):
                return after.at
        return 0.0

    def stop(self) -> None:
        """Take no more samples."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_SECONDS):
            self.sample()

    def _find_children(self) -> None:
        with contextlib.suppress(psutil.Error):
            self._family = [self._process, *self._process.children(recursive=True)]


def _cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time of processes so far; those that have ended count for nothing."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total
