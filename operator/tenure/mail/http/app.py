"""The accept page of invitations as an ASGI application. GET shows an invitation, and POST accepts it."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.requests import Request
from starlette.responses import Response

from tenure.domain.invitations.links import Claim, Standing, read_link
from tenure.errors import TenureError
from tenure.mail.acceptance import Clock, Invitations
from tenure.mail.http.pages import Pages
from tenure.mail.http.requests import read_form, source_of
from tenure.mail.http.words import Words, preferred
from tenure.mail.signing import SigningKeys
from tenure.observability.log_limits import cause_of, warn_once_a_minute
from tenure.observability.mail_catalogue import ACCEPT_PAGE
from tenure.observability.metrics import Meter
from tenure.process.http_pages import is_from_page

log = logging.getLogger("tenure.mail")

WRONG_PER_MINUTE = 60
"""Maximum number of wrong links from one address in a minute.

All clients behind a proxy share its address, so a signed link is never slowed down by the wrong links of others.
"""

USES_PER_MINUTE = 60
"""Maximum number of requests with one signed link in a minute, because each is answered from the API server."""

_WRONG, _USES = "wrong", "uses"
_WRONG_LIMIT, _USES_LIMIT = RateLimitItemPerMinute(WRONG_PER_MINUTE), RateLimitItemPerMinute(USES_PER_MINUTE)


@dataclass
class AcceptPage:
    """Answers requests to the page of a link."""

    invitations: Invitations
    signing: SigningKeys
    clock: Clock
    origin: str
    """Scheme and host of the page, as a browser's `Origin` names it."""
    meter: Meter = field(default_factory=Meter)
    pages: Pages = field(init=False)

    def __post_init__(self) -> None:
        self.pages = Pages(secure=self.origin.startswith("https:"))
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def show(self, request: Request) -> Response:
        """Show the invitation. Programs that follow links do this too, so nothing changes."""
        return await self._answer(request, self._show)

    async def accept(self, request: Request) -> Response:
        """Accept the invitation if the page's own form was sent. Otherwise, show the page again."""
        form = await read_form(request)
        own = is_from_page(request, self.origin)

        async def accept(claim: Claim, words: Words) -> Response:
            if not own or not claim.is_form(form, self.signing.keys, self.clock()):
                return await self._show(claim, words, again=True)
            standing, invited = await self.invitations.accept(claim)
            if standing is Standing.DEAD or invited is None:
                return self._counted("dead", self.pages.dead(words))
            return self._counted("accepted", self.pages.accepted(invited))

        return await self._answer(request, accept)

    async def _show(self, claim: Claim, words: Words, *, again: bool = False) -> Response:
        standing, invited = await self.invitations.look_up(claim)
        if standing is not Standing.OPEN or invited is None:
            return self._counted("dead", self.pages.dead(words))
        form = claim.sign_form(self.signing.keys, self.clock())
        page = self.pages.invitation(invited, claim.expires_at, form, again=again)
        return self._counted("again" if again else "shown", page)

    async def _answer(self, request: Request, answer: Callable[[Claim, Words], Awaitable[Response]]) -> Response:
        """Answer a request with a signed link. Wrong links are all answered alike, without a question to anybody."""
        words = preferred(request.headers.getlist("accept-language"))
        claim = read_link(request.path_params["token"], self.signing.keys)
        if claim is None:
            within = await self._limiter.hit(_WRONG_LIMIT, _WRONG, source_of(request))
            if within:
                return self._counted("dead", self.pages.dead(words))
        elif await self._limiter.hit(_USES_LIMIT, _USES, str(claim)):
            return await self._try(claim, words, answer)
        return self._counted("busy", self.pages.busy(words))

    async def _try(self, claim: Claim, words: Words, answer: Callable[[Claim, Words], Awaitable[Response]]) -> Response:
        try:
            return await answer(claim, words)
        except TenureError as error:
            warn_once_a_minute(log, cause_of(error), "An invitation can't be looked up now: %s", error)
            return self._counted("unavailable", self.pages.unavailable(words))

    def _counted(self, answer: str, page: Response) -> Response:
        self.meter.count(ACCEPT_PAGE, answer)
        return page
