"""The gate of a process to the API server: while it is away, requests fail at once, and loops wait for one probe."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from tenure.errors import ApiError, UnavailableError
from tenure.kube.answers import parse_answer
from tenure.kube.breaker import Breaker, Loop
from tenure.observability.log_limits import cause_of, warn_once_a_minute
from tenure.observability.metrics import Reading
from tenure.observability.process_catalogue import API_SERVER_AWAY

log = logging.getLogger("tenure.api")

HEADERS_SECONDS = 30.0
_AGAIN_SECONDS = 0.2

_MAYBE_AWAY = {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}
_FLOW_HEADER = "X-Kubernetes-PF-FlowSchema-UID"
_BY_WEBHOOK = "admission webhook "

Probe = Callable[[], Awaitable[None]]


@dataclass
class Passage:
    """A request that passes the gate."""

    flow: str = ""
    """Its flow of API Priority and Fairness, once there is an answer that tells."""

    def answered(self, answer: aiohttp.ClientResponse) -> None:
        """Take the flow from the answer's headers."""
        self.flow = answer.headers.get(_FLOW_HEADER, "")


class Gate:
    """Lets requests to the API server pass, unless it is away. Call all methods in the event loop's thread.

    The clients of a process share one gate. A client without a gate always sends, such as that of an election.
    """

    def __init__(self, probe: Probe, breaker: Breaker | None = None) -> None:
        """`probe` makes a request. It raises an `ApiError` if there is no answer."""
        self._probe = probe
        self._breaker = breaker or Breaker()
        self._loop = asyncio.get_running_loop()
        self._probing: asyncio.Task[None] | None = None
        self._is_back = asyncio.Event()
        self._cause: ApiError = UnavailableError("no answer")
        self._refused = 0

    @contextlib.contextmanager
    def passing(self, what: str) -> Iterator[Passage]:
        """Make a request in the block, and record its outcome. `what` names the request.

        Raises:
            UnavailableError: it isn't sent, because the API server is away.
        """
        if self._breaker.is_open:
            self._refused += 1
            self._keep_probing()
            cause = self._cause
            raise type(cause)(
                f"{what}: not sent, because the API server is away: {cause}",
                status=cause.status,
                reason=cause.reason,
                retry_after=cause.retry_after,
            )
        passage = Passage()
        try:
            yield passage
        except ApiError as error:
            self._record(error, passage)
            raise
        else:
            self._breaker.succeed(passage.flow)

    async def turn(self, loop: Loop) -> None:
        """Wait while the API server is away, and then until it is this loop's turn."""
        while (pause := self._breaker.turn(self._loop.time(), loop)) is None:
            await self._is_back.wait()
        if pause:
            await asyncio.sleep(pause)

    async def patiently(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send a read of a loop that isn't ours, again and again until the API server answers it.

        It is a middleware of aiohttp for Kopf's lists and watches. Kopf itself would try each a few times, log an error
        each time, and then end the process.
        """
        what, pause = f"{request.method} {request.url.path}", _AGAIN_SECONDS
        while True:
            await self.turn(Loop.WATCH)
            try:
                with self.passing(what) as passage:
                    return await _answered(what, request, send, passage)
            except UnavailableError as error:
                if request.session.closed:  # Kopf stops. It takes the error of a closed connection for its end.
                    raise (error.__cause__ or error) from None
                warn_once_a_minute(log, cause_of(error), "Can't list or watch now: %s", error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, HEADERS_SECONDS)

    @property
    def is_closed(self) -> bool:
        """Whether requests fail at once, because the API server is away."""
        return self._breaker.is_open

    async def measure(self) -> list[Reading]:
        """Return the reading of its gauge."""
        since = self._breaker.away_since
        return [Reading(API_SERVER_AWAY, 0.0 if since is None else self._loop.time() - since)]

    async def close(self) -> None:
        """Send no more probes."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    def _record(self, error: ApiError, passage: Passage) -> None:
        now = self._loop.time()
        if error.throttled:
            self._breaker.throttle(now, passage.flow, error.retry_after)
        elif is_trouble(error):
            self._breaker.fail(now)
        else:
            self._breaker.succeed(passage.flow)
        self._look(error)

    def _look(self, error: ApiError) -> None:
        """Stop the loops if the API server counts as away now, and begin to probe if a probe is due."""
        since = self._breaker.away_since
        if since is not None:
            self._cause = error
            self._is_back.clear()
            text = "The API server has been away for %.0f s, so requests wait until it answers a probe: %s"
            warn_once_a_minute(log, "away", text, self._loop.time() - since, error)
        self._keep_probing()

    def _keep_probing(self) -> None:
        if self._breaker.probe_at is not None and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._probe_until_back(), name="probe")

    async def _probe_until_back(self) -> None:
        """Send a probe whenever one is due, until the API server answers one."""
        while (due := self._breaker.probe_at) is not None:
            if (pause := due - self._loop.time()) > 0:
                await asyncio.sleep(pause)
                continue  # Meanwhile the API server may have asked for a longer pause.
            error, now = await self._failure(), self._loop.time()
            if error is None:
                self._return(now)
                continue
            self._breaker.fail_probe(now, error.retry_after)
            self._look(error)

    async def _failure(self) -> ApiError | None:
        """Send a probe, and return its error if the API server is away."""
        try:
            await self._probe()
        except ApiError as error:
            return error if is_trouble(error) else None
        except Exception as error:  # A defect must not end the probes, because all work waits for them.
            log.exception("The probe failed unexpectedly")
            return UnavailableError(repr(error))
        return None

    def _return(self, now: float) -> None:
        since, refused = self._breaker.away_since, self._refused
        self._breaker.pass_probe(now)
        self._is_back.set()
        if since is not None:
            self._refused = 0
            log.info("The API server answers again after %.0f s. %d requests weren't sent", now - since, refused)


async def _answered(
    what: str, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType, passage: Passage
) -> aiohttp.ClientResponse:
    """Send a request, and return the answer, unless it means that the API server may be away.

    Raises:
        UnavailableError: it may be away.
    """
    try:
        async with asyncio.timeout(HEADERS_SECONDS):
            answer = await send(request)
            passage.answered(answer)
            if answer.status in _MAYBE_AWAY or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                parse_answer(what, answer.status, await answer.read(), answer.headers.get("Retry-After"))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UnavailableError(f"{what}: {str(error) or 'no answer in time'}") from error
    return answer


def is_trouble(error: ApiError) -> bool:
    """Whether an error may mean that the API server is away: no answer, a failure, or no accepted credentials.

    Any other error is an answer of a healthy API server, such as that an object doesn't exist or that a right is
    missing. So is a rejection by someone's webhook, with whatever code.
    """
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return _BY_WEBHOOK not in str(error)
    return error.status in {0, HTTPStatus.UNAUTHORIZED} or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
