"""Finds how many cores a process was given, for programs that can be several processes."""

import contextlib
import os
from pathlib import Path

MEMORY_PER_PROCESS = 256 * 1024 * 1024
"""Bytes of the memory limit for each process. With a lower limit there are fewer processes."""

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def count_processes(cpu_max: str, memory_max: str, cores: int) -> int:
    """Return how many processes suit the limits of a control group: one for each whole core of its CPU limit.

    Without a CPU limit it is one, because the cores are then shared with all other programs of the machine.

    Args:
        cpu_max: Quota and period, such as `200000 100000` for two cores. Empty or `max …` if there is no limit.
        memory_max: Bytes. Empty or `max` if there is no limit.
        cores: The number of cores that the process may run on.
    """
    quota, _, period = cpu_max.strip().partition(" ")
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return 1
    most = min(int(quota) // int(period), cores)
    if memory_max.strip().isdigit():
        most = min(most, int(memory_max) // MEMORY_PER_PROCESS)
    return max(most, 1)


def suitable_processes() -> int:
    """Return how many processes suit the limits of this process' own control group."""
    folder = _own_folder()
    return count_processes(_read(folder / "cpu.max"), _read(folder / "memory.max"), _cores())


def _cores() -> int:
    """Return on how many cores this process may run: cpusets and `taskset` exclude some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _own_folder() -> Path:
    """Return the folder of the own control group of version 2. A container sees it as the root."""
    for line in _read(_OWN_CGROUP).splitlines():
        number, _, path = line.partition("::")
        if number == "0" and (_CGROUPS / path.lstrip("/")).is_dir():
            return _CGROUPS / path.lstrip("/")
    return _CGROUPS


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text()
    return ""
