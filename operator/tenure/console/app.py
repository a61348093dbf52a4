"""The pages of the console. GET shows, and POST makes a change that was shown before."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tenure.console.caller import CALLER, Callers, caller_of
from tenure.console.changes import Changes
from tenure.console.failures import failure_of
from tenure.console.proposals import KEY_PLANS, MEMBER_PLANS, Plan, invitation, place_of
from tenure.console.render import ASSETS, Renderer, asset, part_of
from tenure.console.requests import page_number
from tenure.errors import TenureError
from tenure.viewmodel.details import key_page, member_page
from tenure.viewmodel.keys import keys_page
from tenure.viewmodel.members import members_page
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.words import as_document

Show = Callable[[Request], Awaitable[Response]]

_SEE_OTHER, _NOT_FOUND = 303, 404


@dataclass
class Console:
    """Answers the requests of people."""

    callers: Callers
    renderer: Renderer
    changes: Changes = field(init=False)

    def __post_init__(self) -> None:
        self.changes = Changes(self.renderer)

    def application(self) -> Starlette:
        """Return the ASGI application, below the console's path."""
        made = Starlette(
            routes=list(self._routes()),
            exception_handlers={HTTPException: self._refuse, TenureError: self._refuse},
        )
        made.router.redirect_slashes = False
        return made

    def _routes(self) -> list[Route]:
        members, keys = "/{namespace}/members/", "/{namespace}/keys/"
        pages = {
            "/": self._organizations,
            "/{namespace}/": self._organization,
            members: self._members,
            f"{members}{{name}}/": self._member,
            keys: self._keys,
            f"{keys}{{name}}/": self._key,
        }
        shown = [Route(path, self._known(show)) for path, show in pages.items()]
        assets = [Route(f"/{name}", partial(_asset, name)) for name in ASSETS]
        changed = [
            *self._change("/{namespace}/invite/", invitation),
            *(one for name, plan in MEMBER_PLANS.items() for one in self._change(f"{members}{{name}}/{name}/", plan)),
            *(one for name, plan in KEY_PLANS.items() for one in self._change(f"{keys}{{name}}/{name}/", plan)),
        ]
        return [*assets, *changed, *shown]

    def _change(self, path: str, plan: Plan) -> list[Route]:
        """Return the routes of a change: one that shows it, and one that makes it."""
        show, make = partial(self.changes.show, plan), partial(self.changes.make, plan)
        return [Route(path, self._known(show)), Route(path, self._known(make), methods=["POST"])]

    def _known(self, show: Show) -> Show:
        """Return a page whose requests have a caller, or the reason why they have none."""

        async def answer(request: Request) -> Response:
            async with AsyncExitStack() as stack:
                try:
                    request.scope[CALLER] = await stack.enter_async_context(self.callers.of(request.headers))
                except TenureError as error:
                    request.scope[CALLER] = error
                return await show(request)

        return answer

    async def _refuse(self, request: Request, error: Exception) -> Response:
        answer = self.renderer.failure(request, failure_of(error))
        answer.headers.update(getattr(error, "headers", None) or {})
        return answer

    async def _organizations(self, request: Request) -> Response:
        page = await caller_of(request).organizations()
        return self._listed(request, "organizations.html", page, "organizations")

    async def _organization(self, _: Request) -> Response:
        return RedirectResponse("members/", _SEE_OTHER)

    async def _members(self, request: Request) -> Response:
        snapshot = await self._snapshot(request)
        return self._listed(request, "members.html", members_page(snapshot), "members", snapshot)

    async def _keys(self, request: Request) -> Response:
        snapshot = await self._snapshot(request)
        return self._listed(request, "keys.html", keys_page(snapshot), "keys", snapshot)

    async def _member(self, request: Request) -> Response:
        snapshot = await self._snapshot(request)
        return self._one(request, "member.html", member_page(snapshot, request.path_params["name"]), snapshot)

    async def _key(self, request: Request) -> Response:
        snapshot = await self._snapshot(request)
        return self._one(request, "key.html", key_page(snapshot, request.path_params["name"]), snapshot)

    async def _snapshot(self, request: Request) -> Snapshot:
        return await caller_of(request).snapshot(request.path_params["namespace"])

    def _listed(
        self, request: Request, template: str, page: Any, rows: str, snapshot: Snapshot | None = None
    ) -> Response:
        """Answer with one part of a list."""
        part = part_of(getattr(page, rows), page_number(request))
        document = {**as_document(page), rows: as_document(part.rows)}
        document |= {"page": part.page, "pages": part.pages, "total": part.total}
        values = {"page": page, "part": part, **place_of(snapshot)}
        return self.renderer.answer(request, template, document, values)

    def _one(self, request: Request, template: str, page: Any, snapshot: Snapshot) -> Response:
        values = {"page": page, **place_of(snapshot)}
        return self.renderer.answer(request, template, page, values)


async def _asset(name: str, _: Request) -> Response:
    return asset(name)
