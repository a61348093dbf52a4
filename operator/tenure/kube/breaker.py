"""A circuit breaker: it decides when the API server counts as away, when to probe it, and how fast work resumes.

It is a pure state machine. All times are seconds of one monotonic clock.

```text
closed --5 failures in a row--> suspected --the probe succeeds--> closed
                                suspected --the probe fails-----> open
closed --5 requests of a flow in a row are throttled (429)------> open
open --the probe fails, after a growing pause--> open
open --the probe succeeds--> recovering --12 s--> closed
```

In `recovering`, requests are sent, but loops start their work at a rate that doubles every two seconds. It is left like
`closed`: by failures.
"""

import math
import random
from collections.abc import Callable
from enum import Enum, auto

FAILURES = 5
"""Number of failures in a row after which there is a doubt."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0
"""Longest pause between two probes. A probe is one small request, so this is cheap, and work resumes soon."""

LONGEST_RETRY_AFTER_SECONDS = 60.0
"""Maximum of `Retry-After`, because one strange answer mustn't stop Tenure for an hour."""

TRUST_SECONDS = 10.0
"""How long no failure raises another doubt after a probe has removed one. Some object fails for a reason of its own."""

FIRST_RATE = 10.0
"""Number of pieces of work a second that may start just after an outage."""
DOUBLING_SECONDS = 2.0
FULL_RATE = 640.0
"""Rate at which the breaker is closed, so that the rate isn't limited any more."""
RECOVERY_SECONDS = DOUBLING_SECONDS * math.log2(FULL_RATE / FIRST_RATE)


class Phase(Enum):
    """The state of a breaker."""

    CLOSED = auto()
    OPEN = auto()
    RECOVERING = auto()


class Loop(Enum):
    """The sorts of loops. The turns of one sort don't wait for those of another one."""

    WATCH = auto()
    """Lists and watches. They are few, and all else follows from them."""
    WORK = auto()


class Breaker:
    """Decides from the outcomes of requests whether more may be sent."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        """`chance` returns a number from 0 to 1, so that not all processes send their probe at the same moment."""
        self._chance = chance
        self._phase = Phase.CLOSED
        self._failures = 0
        self._throttled: dict[str, int] = {}
        self._pause = FIRST_PAUSE_SECONDS
        self._probe_at: float | None = None
        self._trusted_until = float("-inf")
        self._away_since: float | None = None
        self._recovering_since = 0.0
        self._next_turns: dict[Loop, float] = {}

    def phase(self, now: float) -> Phase:
        """The state at a moment."""
        if self._phase is Phase.RECOVERING and now >= self._recovering_since + RECOVERY_SECONDS:
            self._phase, self._pause = Phase.CLOSED, FIRST_PAUSE_SECONDS
        return self._phase

    @property
    def is_open(self) -> bool:
        """Whether the API server counts as away, so that only the probe may be sent."""
        return self._phase is Phase.OPEN

    @property
    def away_since(self) -> float | None:
        """Since when the API server is away, or None if it isn't."""
        return self._away_since

    @property
    def probe_at(self) -> float | None:
        """When to send the next probe, or None if none is needed."""
        return self._probe_at

    def succeed(self, flow: str = "") -> None:
        """Record a request that the API server answered, even if it rejected it. `flow` is its flow, if known."""
        self._failures = 0
        if self._throttled:
            self._throttled.pop(flow, None)

    def fail(self, now: float) -> None:
        """Record a request that may have failed because the API server is away. Only a probe can tell."""
        if self.phase(now) is Phase.OPEN:
            return  # It was sent before.
        self._failures += 1
        if self._failures >= FAILURES and self._probe_at is None and now >= self._trusted_until:
            self._probe_at = now

    def throttle(self, now: float, flow: str, retry_after: float | None) -> None:
        """Record a request that the API server didn't look at, because there are too many of its flow."""
        if self.phase(now) is Phase.OPEN:
            self._defer(now, retry_after)
            return
        self._throttled[flow] = self._throttled.get(flow, 0) + 1
        if self._throttled[flow] >= FAILURES:
            self._open(now, retry_after)

    def fail_probe(self, now: float, retry_after: float | None) -> None:
        """Record that the probe failed."""
        if self.phase(now) is Phase.OPEN:
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            self._schedule(now, retry_after)
        else:
            self._open(now, retry_after)

    def pass_probe(self, now: float) -> None:
        """Record that the API server answered the probe."""
        self._failures, self._probe_at = 0, None
        self._throttled.clear()
        if self.phase(now) is Phase.OPEN:
            self._phase, self._away_since, self._recovering_since = Phase.RECOVERING, None, now
            self._next_turns.clear()
        else:
            self._trusted_until = now + TRUST_SECONDS

    def turn(self, now: float, loop: Loop) -> float | None:
        """Reserve a turn to start a piece of work, and return in how many seconds it is. None: not while it is open."""
        phase = self.phase(now)
        if phase is not Phase.RECOVERING:
            return None if phase is Phase.OPEN else 0.0
        at = max(now, self._next_turns.get(loop, now))
        rate = FIRST_RATE * 2 ** ((at - self._recovering_since) / DOUBLING_SECONDS)
        self._next_turns[loop] = at + 1 / rate
        return at - now

    def _open(self, now: float, retry_after: float | None) -> None:
        if self.phase(now) is Phase.RECOVERING:  # It was too early.
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        self._phase, self._away_since, self._failures = Phase.OPEN, now, 0
        self._throttled.clear()
        self._schedule(now, retry_after)

    def _schedule(self, now: float, retry_after: float | None) -> None:
        jittered = self._pause * (0.5 + 0.5 * self._chance())
        self._probe_at = now + jittered
        self._defer(now, retry_after)

    def _defer(self, now: float, retry_after: float | None) -> None:
        """Send the next probe no earlier than the API server asked for."""
        if self._probe_at is not None and retry_after:
            self._probe_at = max(self._probe_at, now + min(retry_after, LONGEST_RETRY_AFTER_SECONDS))
