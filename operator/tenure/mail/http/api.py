"""The API beside the accept page: have an invitation sent again, or get its link to pass it on yourself.

A caller sends a Kubernetes token for the audience `tenure-mail`, and may do this for a Membership that they may update.
"""

import logging
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tenure.domain.permissions import Permission, Requester
from tenure.domain.resources import Membership
from tenure.errors import ConflictError, ObjectNotFoundError, RejectedError, TenureError
from tenure.kube.cluster import Cluster
from tenure.kube.reviews import authenticate, is_permitted
from tenure.mail.http.callers import Callers, named_in
from tenure.mail.http.pages import headers
from tenure.mail.http.requests import source_of
from tenure.mail.requests import NothingToDoError, Requests
from tenure.observability.log_limits import cause_of, warn_once_a_minute

log = logging.getLogger("tenure.mail")

AUDIENCE = "tenure-mail"
"""The audience of the callers' Kubernetes tokens. Such a token can't be used elsewhere."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_ACCEPTED = 202
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _BUSY, _UNAVAILABLE = 401, 403, 404, 409, 429, 503


class RefusedError(Exception):
    """A caller is refused. The text is for them."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class InvitationApi:
    """Answers requests of callers who may update a Membership."""

    cluster: Cluster
    requests: Requests
    secure: bool
    """Whether callers come by HTTPS."""

    def __post_init__(self) -> None:
        self._callers = Callers()

    @property
    def routes(self) -> list[Route]:
        """The paths."""
        place = "/v1/invitations/{namespace}/{name}"
        return [
            Route(f"{place}:resend", self._handler(self._resend), methods=["POST"]),
            Route(f"{place}:link", self._handler(self._link), methods=["POST"]),
        ]

    async def _resend(self, membership: Membership) -> JSONResponse:
        at = await self.requests.resend(membership)
        return JSONResponse({"requestedAt": at}, _ACCEPTED)

    async def _link(self, membership: Membership) -> JSONResponse:
        return JSONResponse(await self.requests.link(membership))

    def _handler(self, answer: Callable[[Membership], Awaitable[JSONResponse]]) -> Callable[[Request], Any]:
        async def handle(request: Request) -> Response:
            try:
                response = await answer(await self._membership(request))
            except RefusedError as error:
                response = _refusal(error.status, str(error))
            except NothingToDoError as error:
                response = _refusal(_CONFLICT, str(error))
            except ConflictError:
                response = _refusal(_CONFLICT, "The Membership changed at the same time. Try again")
            except ObjectNotFoundError:
                response = _refusal(_NOT_FOUND, "There is no such Membership")
            except TenureError as error:
                warn_once_a_minute(log, cause_of(error), "A request for an invitation can't be answered now: %s", error)
                response = _refusal(_UNAVAILABLE, "The API server can't be asked now. Try again")
            response.headers.update(headers(secure=self.secure))
            return response

        return handle

    async def _membership(self, request: Request) -> Membership:
        """Return the Membership that a caller may update, as the API server has it now."""
        namespace, name = request.path_params["namespace"], request.path_params["name"]
        name_in_token, caller = await self._caller(request)
        permission = Permission("update", Membership.plural, namespace, name)
        if not (_NAME.fullmatch(namespace) and _NAME.fullmatch(name)):
            raise RefusedError(_NOT_FOUND, "There is no such Membership")
        if not await is_permitted(self.cluster, caller, permission):
            await self._callers.refused(name_in_token, source_of(request))
            check = f"{permission.question} --as={shlex.quote(caller.username)}"
            raise RefusedError(_FORBIDDEN, f"{caller.username} lacks {permission}. Check it with: {check}")
        return await self.cluster.get(Membership, namespace, name)

    async def _caller(self, request: Request) -> tuple[str, Requester]:
        """Return the caller, whom the API server knows by their token, and whom the token names for the limits."""
        source = source_of(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        name = named_in(token, AUDIENCE) if scheme.lower() == "bearer" and token else None
        if name is None:
            raise _unauthorized()
        if not await self._callers.may_ask(name, source):
            raise RefusedError(_BUSY, "Too many refused requests. Try again in a minute")
        try:
            caller = await authenticate(self.cluster, token, [AUDIENCE])
        except RejectedError:
            caller = None
        if caller is None:
            await self._callers.refused(name, source)
            raise _unauthorized()
        self._callers.confirmed(name)
        return name, caller


def _unauthorized() -> RefusedError:
    text = f"Send a Kubernetes token for the audience {AUDIENCE} in Authorization: Bearer"
    return RefusedError(_UNAUTHORIZED, text)


def _refusal(status: int, text: str) -> JSONResponse:
    more: Mapping[str, str] = {"www-authenticate": "Bearer"} if status == _UNAUTHORIZED else {}
    return JSONResponse({"error": text}, status, dict(more))
