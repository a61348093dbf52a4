"""The pages of the console. GET shows, and POST makes a change that was shown before."""

from collections.abc import Awaitable, Callable, Sequence
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
from tenure.console.forms import Seals
from tenure.console.proposals import KEY_PLANS, MEMBER_PLANS, ORGANIZATION_PLANS, Plan, place_of
from tenure.console.render import ASSETS, Renderer, asset, part_of
from tenure.console.requests import page_number
from tenure.domain.resources import KINDS, Membership, Organization, Resource
from tenure.errors import TenureError
from tenure.viewmodel.details import key_page, member_page
from tenure.viewmodel.keys import keys_page
from tenure.viewmodel.members import members_page
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.timeline import Events
from tenure.viewmodel.words import as_document

Show = Callable[[Request], Awaitable[Response]]

_SEE_OTHER, _NOT_FOUND = 303, 404


@dataclass
class Console:
    """Answers the requests of people."""

    callers: Callers
    renderer: Renderer
    seals: Seals = field(default_factory=Seals)
    changes: Changes = field(init=False)

    def __post_init__(self) -> None:
        self.changes = Changes(self.renderer, self.seals)

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
            *(
                one
                for name, plan in ORGANIZATION_PLANS.items()
                for one in self._change(f"/{{namespace}}/{name}/", plan)
            ),
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
        # The keys aren't on this page, and there are many.
        snapshot = await self._snapshot(request, (Organization, Membership))
        return self._listed(request, "members.html", members_page(snapshot), "members", snapshot)

    async def _keys(self, request: Request) -> Response:
        snapshot = await self._snapshot(request)
        return self._listed(request, "keys.html", keys_page(snapshot), "keys", snapshot)

    async def _member(self, request: Request) -> Response:
        snapshot, name = await self._snapshot(request), request.path_params["name"]
        page = member_page(snapshot, name, await self._events(request, snapshot.member(name)))
        part = part_of(page.keys or (), page_number(request))
        values = {"page": page, "part": part, **place_of(snapshot)}
        return self.renderer.answer(request, "member.html", page, values)

    async def _key(self, request: Request) -> Response:
        snapshot, name = await self._snapshot(request), request.path_params["name"]
        page = key_page(snapshot, name, await self._events(request, snapshot.key(name)))
        return self.renderer.answer(request, "key.html", page, {"page": page, **place_of(snapshot)})

    async def _events(self, request: Request, one: Resource) -> Events:
        return await caller_of(request).events(one.kind, one.namespace, one.name)

    async def _snapshot(self, request: Request, kinds: Sequence[type[Resource]] = KINDS) -> Snapshot:
        return await caller_of(request).snapshot(request.path_params["namespace"], kinds)

    def _listed(
        self, request: Request, template: str, page: Any, rows: str, snapshot: Snapshot | None = None
    ) -> Response:
        """Answer with one part of a list."""
        part = part_of(getattr(page, rows), page_number(request))
        document = {**as_document(page), rows: as_document(part.rows)}
        document |= {"page": part.page, "pages": part.pages, "total": part.total}
        values = {"page": page, "part": part, **place_of(snapshot)}
        return self.renderer.answer(request, template, document, values)


async def _asset(name: str, _: Request) -> Response:
    return asset(name)
