"""The load on HTTP servers: wrk, in a process of its own, on loopback, bounded in time."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tenure_dev.errors import ToolError

CONNECTIONS = 64
"""At full speed; paced, there are more, so that each has time for its pauses."""
PACED_CONNECTIONS = 256

_SCRIPT = """
local requests = {{ {requests} }}
local next, pause = 0, {pause}
function request()
    next = next % #requests + 1
    return requests[next]
end
if pause > 0 then
    -- Between 0 and twice the pause, so that the connections don't march in step.
    function delay() return math.random(0, 2 * pause) end
end
function done(summary, latency)
    local e = summary.errors
    io.stderr:write(string.format(
        '{{"requests": %d, "microseconds": %d, "failures": %d, "p50": %d, "p99": %d}}',
        summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Load:
    """What was answered."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failures: int


def wrk_missing() -> str:
    """How to get wrk, where it is missing; empty where it is there."""
    if shutil.which("wrk"):
        return ""
    return "wrk is missing, so the scenario `verify` can't run; Debian and Ubuntu: apt-get install wrk"


async def load(port: int, requests: Sequence[bytes], folder: Path, *, seconds: int, per_second: float = 0.0) -> Load:
    """Send GET requests in turn, as fast as they are answered or at about a rate.

    Raises:
        ToolError: wrk failed.
    """
    connections = PACED_CONNECTIONS if per_second else CONNECTIONS
    pause = round(connections / per_second * 1000) if per_second else 0
    script = folder / "wrk.lua"
    quoted = ", ".join(json.dumps(request.decode()) for request in requests)
    script.write_text(_SCRIPT.format(requests=quoted, pause=pause))
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s", "--timeout=5s"]
    process = await asyncio.create_subprocess_exec(
        *command,
        f"--script={script}",
        f"http://127.0.0.1:{port}/",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await asyncio.wait_for(process.communicate(), seconds + 30)
    try:
        found = json.loads(told.decode()[told.decode().index("{") :])
    except ValueError:
        raise ToolError(f"wrk said: {told.decode()}") from None
    rate = found["requests"] * 1e6 / found["microseconds"]
    return Load(rate, found["p50"] / 1000, found["p99"] / 1000, found["failures"])
