"""What Tenure costs beside many issued keys."""

from collections.abc import AsyncGenerator

from bench.figures import Calls, ColdStart, Memory, Outcome
from bench.operators import TENURE
from bench.scenario import Bench, Scenario, Size
from bench.store import Store, stored

_QUIET_SECONDS = 1.0
_WITHIN = 300.0


def scale(size: Size) -> Scenario:
    """The scenario."""
    keys = size.of(100_000, small=1000)
    return Scenario("scale", f"{keys:,} issued keys", lambda bench: _run(bench, keys))


async def _run(bench: Bench, keys: int) -> AsyncGenerator[Outcome]:
    async with stored(bench, Store(keys)):
        bench.tell("scale: the controller starts")
        async with bench.launcher.running(TENURE) as process:
            quiet_at = await process.quiet(_QUIET_SECONDS, within=_WITHIN)
            first = process.first()
            spent = process.spent_since(first)
            yield Outcome(
                "scale",
                TENURE.name,
                ColdStart(
                    keys=keys,
                    quiet_seconds=None if quiet_at is None else quiet_at - process.started_at,
                    cpu_seconds=spent.operator,
                    others_percent=spent.others_percent,
                    memory=Memory(process.usage.peak(0) / 1e6, process.usage.sample().rss / 1e6),
                    calls=Calls.of(process.since(first)),
                ),
            )
