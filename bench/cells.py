"""Cells that several tables have."""

import math
from collections.abc import Mapping

from bench.figures import Calls, Cpu, Latency, Memory

OTHERS = "other programs on the machine"

Column = Mapping[str, str]


def latency_cells(what: str, latency: Latency) -> Column:
    """What answers took."""
    return {
        f"{what}, p50": f"{latency.p50:.0f} ms",
        f"{what}, p99": f"{latency.p99:.0f} ms",
        f"{what}, at most": f"{latency.most:.0f} ms",
    }


def known(value: float) -> str:
    """Milliseconds, or nothing if they aren't known."""
    return "" if math.isnan(value) else f"{value:.1f} ms"


def percent(share: float | None) -> str:
    """A share in percent, or nothing."""
    return "" if share is None else f"{share * 100:.1f} %"


def cpu_cells(cpu: Cpu) -> Column:
    """CPU time for each key."""
    return {
        "CPU per key": f"{cpu.operator:.2f} ms",
        "CPU per key, control plane": f"{cpu.plane:.2f} ms",
        OTHERS: f"{cpu.others_percent:.0f} %",
    }


def memory_cells(memory: Memory) -> Column:
    """Resident memory."""
    return {"RSS peak": f"{memory.peak:.0f} MB", "RSS end": f"{memory.end:.0f} MB"}


def call_cells(calls: Calls, keys: int) -> Column:
    """Requests to the API server."""

    def per_key(count: int) -> str:
        return f"{count / max(keys, 1):.2f}"

    return {
        "writes per key, Secrets": per_key(calls.secret_writes),
        "writes per key, ApiKeys": per_key(calls.key_writes),
        "reads per key": per_key(calls.gets),
        "status writes, members and organization": f"{calls.aggregate_writes:,}",
        "other writes": f"{calls.other_writes:,}",
        "lists": f"{calls.lists:,}",
    }


def milliseconds(value: float) -> str:
    """Whole milliseconds."""
    return f"{value:,.0f} ms"


def gone_cell(seconds: float, gone: int, keys: int) -> str:
    """The time until all were gone, or how many were."""
    return f"{seconds:.2f} s" if gone == keys else f"{gone:,} of {keys:,} in {seconds:.0f} s"
