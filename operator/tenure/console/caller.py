"""Who uses the console, and what the API server shows to them and does for them. Each mode has a caller of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import Request

from tenure.domain.permissions import Requester
from tenure.domain.resources import KINDS, Organization, Resource
from tenure.domain.resources.base import GROUP
from tenure.errors import TenureError
from tenure.kube.cluster import Cluster
from tenure.kube.edits import make_as_shown, try_edit
from tenure.kube.event_notes import read_events
from tenure.kube.letters import MailProcess
from tenure.kube.snapshots import read_everywhere, read_snapshot
from tenure.system_settings import check_namespaces
from tenure.viewmodel.edits import Edit
from tenure.viewmodel.errors import HiddenError, UnknownObjectError, ViewError
from tenure.viewmodel.letters import Resent
from tenure.viewmodel.organizations import OrganizationsPage, organizations_page
from tenure.viewmodel.preview import Verdict
from tenure.viewmodel.snapshot import Snapshot
from tenure.viewmodel.timeline import Events

Renew = Callable[[], Awaitable[Edit | None]]
"""Reads the objects again, and returns the same change for them, or None if it isn't the same any more."""


class Caller(Protocol):
    """Somebody with rights in the cluster. All methods use these rights and no others."""

    @property
    def username(self) -> str:
        """The name by which the API server knows the caller."""

    async def organizations(self) -> OrganizationsPage:
        """Return the organizations that the caller may see."""

    async def snapshot(self, namespace: str, kinds: Sequence[type[Resource]] = KINDS) -> Snapshot:
        """Return the objects of a namespace that the caller may list."""

    async def events(self, kind: str, namespace: str, name: str) -> Events:
        """Return the Events about an object."""

    async def resend(self, namespace: str, name: str) -> Resent:
        """Ask the mail process for another letter to a member."""

    async def judge(self, edit: Edit) -> Verdict | None:
        """Return the cluster's verdict on a change, which isn't stored. None if it can't be asked for."""

    async def make(self, edit: Edit, renew: Renew) -> list[str]:
        """Make a change, and return the warnings."""


class Callers(Protocol):
    """Finds out who sends a request. Each mode of the console has its own way."""

    def of(self, headers: Headers) -> AbstractAsyncContextManager[Caller]:
        """Give the caller of a request while the block runs.

        Raises:
            UnauthorizedError: nobody proved who they are.
            ApiError: the API server doesn't answer.
        """


CALLER = "tenure.caller"
"""The key of the scope that has the caller of a request, or the error that says why it has none."""


def caller_of(request: Request) -> Caller:
    """Return the caller of a request.

    Raises:
        TenureError: there is none, because of this error.
    """
    found: Caller | TenureError = request.scope[CALLER]
    if isinstance(found, TenureError):
        raise found
    return found


def username_of(request: Request) -> str:
    """Return the name of a request's caller, or empty if there is none."""
    found: Caller | TenureError | None = request.scope.get(CALLER)
    return "" if found is None or isinstance(found, TenureError) else found.username


@dataclass(frozen=True)
class OneCaller:
    """The same caller for all requests, because only one person has the console's address."""

    caller: Caller

    @asynccontextmanager
    async def of(self, _: Headers) -> AsyncIterator[Caller]:
        """Give the caller."""
        yield self.caller


@dataclass(frozen=True)
class ClusterCaller:
    """A person whom the API server knows by the credentials of a client."""

    cluster: Cluster
    requester: Requester
    namespaces: Sequence[str]
    """Where to look for organizations, if not everywhere."""
    everywhere: bool
    """Whether to look in all namespaces first."""
    tries: bool = True
    """Whether the cluster may be asked to try changes."""
    context: str = ""
    """The context that was chosen, which the commands on the pages then name too."""
    mail: MailProcess | None = None
    """Whom to ask for letters, or None if nobody said so."""

    @property
    def username(self) -> str:
        """The name by which the API server knows the person."""
        return self.requester.username

    async def organizations(self) -> OrganizationsPage:
        """Return the organizations that the person may see.

        Raises:
            HiddenError: the person may list them nowhere that is looked at.
        """
        if self.everywhere and (snapshot := await read_everywhere(self.cluster)) is not None:
            return organizations_page(snapshot, self.requester, None)
        if not self.namespaces:
            raise HiddenError(
                f"you may not list {Organization.plural}.{GROUP} in all namespaces. Open the page of your organization "
                "by its address, which ends with the organization's namespace, for example /acme/"
            )
        found = [await self.snapshot(namespace) for namespace in self.namespaces]
        shown = [snapshot for snapshot in found if Organization.plural not in snapshot.hidden] or found[:1]
        pages = [organizations_page(snapshot, self.requester, self.namespaces) for snapshot in shown]
        return replace(pages[0], organizations=tuple(row for page in pages for row in page.organizations))

    async def snapshot(self, namespace: str, kinds: Sequence[type[Resource]] = KINDS) -> Snapshot:
        """Return the objects of a namespace that the person may list.

        Raises:
            UnknownObjectError: no namespace can have this name, which would be a part of the API's path.
        """
        try:
            check_namespaces([namespace])
        except ValueError as error:
            raise UnknownObjectError(str(error)) from None
        return replace(await read_snapshot(self.cluster, namespace, kinds), context=self.context)

    async def events(self, kind: str, namespace: str, name: str) -> Events:
        """Return the Events about an object."""
        return await read_events(self.cluster, kind, namespace, name)

    async def resend(self, namespace: str, name: str) -> Resent:
        """Ask the mail process for another letter to a member.

        Raises:
            ViewError: the console doesn't know the mail process, or the person may not create tokens for it.
        """
        if self.mail is None:
            raise ViewError("this console was started without --mail-url and --invite-service-account")
        (answer,) = await self.mail.resend(self.cluster, namespace, [name])
        return answer

    async def judge(self, edit: Edit) -> Verdict | None:
        """Return the cluster's verdict on a change, which isn't stored. None if it can't be asked for."""
        return await try_edit(self.cluster, edit) if self.tries else None

    async def make(self, edit: Edit, renew: Renew) -> list[str]:
        """Make a change, and return the warnings."""
        return await make_as_shown(self.cluster, edit, renew)
