"""The console over objects in memory, for tests of what it shows and what it lets in."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import requests

from support.programs.served import served
from tenure.console.app import Console
from tenure.console.caller import OneCaller, Renew
from tenure.console.door import Address, door
from tenure.console.render import Renderer
from tenure.domain.permissions import Requester
from tenure.domain.resources import KINDS, Resource
from tenure.errors import ApiError
from tenure.viewmodel.edits import Edit
from tenure.viewmodel.errors import UnknownObjectError
from tenure.viewmodel.letters import Resent
from tenure.viewmodel.organizations import OrganizationsPage, organizations_page
from tenure.viewmodel.preview import Verdict
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.timeline import Events

SECRET = "a-secret-in-the-path"
SECONDS = 60


@dataclass
class Held:
    """A caller whose organization is in memory. Edits are kept, and change no object."""

    objects: Callable[[], Snapshot]
    username: str = "olga@acme.io"
    verdict: Verdict = field(default_factory=lambda: Verdict(allowed=True))
    error: ApiError | None = None
    made: list[Edit] = field(default_factory=list)
    noted: Events = field(default_factory=Events)
    refusal: str = ""
    asked: list[str] = field(default_factory=list)

    async def organizations(self) -> OrganizationsPage:
        """Return the organization."""
        return organizations_page(self.objects(), Requester(username=self.username), None)

    async def snapshot(self, namespace: str, kinds: Sequence[type[Resource]] = KINDS) -> Snapshot:
        """Return the organization's objects."""
        del kinds
        found = self.objects()
        if found.namespace != namespace:
            raise UnknownObjectError(f"there is no namespace {namespace}")
        return found

    async def events(self, kind: str, namespace: str, name: str) -> Events:
        """Return the Events about any object."""
        del kind, namespace, name
        return self.noted

    async def resend(self, namespace: str, name: str) -> Resent:
        """Keep the name."""
        del namespace
        if not self.refusal:
            self.asked.append(name)
        return Resent(name, None, self.refusal)

    async def judge(self, _: Edit) -> Verdict:
        """Return the verdict."""
        return self.verdict

    async def make(self, edit: Edit, _: Renew) -> list[str]:
        """Keep the edit."""
        if self.error is not None:
            raise self.error
        self.made.append(edit)
        return ["a warning"]


@dataclass
class Served:
    """A served console."""

    port: int
    held: Held

    def address(self, path: str) -> str:
        """Return the address of a page."""
        return f"http://127.0.0.1:{self.port}/{SECRET}{path}"

    def get(self, path: str, **headers: str) -> requests.Response:
        """Open a page."""
        return requests.get(self.address(path), headers=_dashed(headers), timeout=SECONDS, allow_redirects=False)

    def post(self, path: str, fields: Any, **headers: str) -> requests.Response:
        """Send a form as a browser does."""
        given = {"Sec-Fetch-Site": "same-origin", **_dashed(headers)}
        return requests.post(self.address(path), data=fields, headers=given, timeout=SECONDS, allow_redirects=False)

    def form(self, path: str, **fields: str) -> dict[str, str]:
        """Open the page of a change, and return the fields of its form with these ones filled in."""
        return {**fields_of(self.get(path).text), **fields}


def fields_of(text: str) -> dict[str, str]:
    """Return the hidden fields of a page's form."""
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text)}


@contextmanager
def console(
    held: Held, *, read_only: bool = False, edit_url: str = "", mail: bool = True, url: str = ""
) -> Iterator[Served]:
    """Serve the console of a caller, as on their own machine or, with a URL, as behind a login."""
    renderer = Renderer("cluster test", read_only, edit_url, mail)
    application = Console(OneCaller(held), renderer).application()
    hosts: list[str] = []
    address = Address.of_url(url) if url else Address(hosts, f"/{SECRET}", "Open the address.")
    with served(door(application, address)) as port:
        hosts += [f"127.0.0.1:{port}", f"localhost:{port}"]
        yield Served(port, held)


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
