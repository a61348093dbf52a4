"""Who uses the console, and what the API server shows to them and does for them. Each mode has a caller of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from tenure.domain.permissions import Requester
from tenure.kube.cluster import Cluster
from tenure.kube.edits import make_as_shown, try_edit
from tenure.kube.snapshots import read_organizations, read_snapshot
from tenure.system_settings import check_namespaces
from tenure.viewmodel.edits import Edit
from tenure.viewmodel.errors import UnknownObjectError
from tenure.viewmodel.organizations import OrganizationsPage, organizations_page
from tenure.viewmodel.preview import Verdict
from tenure.viewmodel.snapshot import Snapshot

Renew = Callable[[], Awaitable[Edit | None]]
"""Reads the objects again, and returns the same change for them, or None if it isn't the same any more."""


class Caller(Protocol):
    """Somebody with rights in the cluster. All methods use these rights and no others."""

    @property
    def username(self) -> str:
        """The name by which the API server knows the caller."""

    async def organizations(self) -> OrganizationsPage:
        """Return the organizations that the caller may see."""

    async def snapshot(self, namespace: str) -> Snapshot:
        """Return the objects of a namespace that the caller may list."""

    async def judge(self, edit: Edit) -> Verdict:
        """Return the cluster's verdict on a change, which isn't stored."""

    async def make(self, edit: Edit, renew: Renew) -> list[str]:
        """Make a change, and return the warnings."""


@dataclass(frozen=True)
class LocalCaller:
    """The person who started the console, with the credentials of their kubeconfig."""

    cluster: Cluster
    requester: Requester
    namespace: str
    everywhere: bool
    """Whether to look for organizations in all namespaces."""
    context: str = ""
    """The context that was chosen, which the commands on the pages then name too."""

    @property
    def username(self) -> str:
        """The name by which the API server knows the person."""
        return self.requester.username

    async def organizations(self) -> OrganizationsPage:
        """Return the organizations that the person may see."""
        snapshot, everywhere = await read_organizations(self.cluster, self.namespace, everywhere=self.everywhere)
        return organizations_page(snapshot, self.requester, None if everywhere else [self.namespace])

    async def snapshot(self, namespace: str) -> Snapshot:
        """Return the objects of a namespace that the person may list.

        Raises:
            UnknownObjectError: no namespace can have this name, which would be a part of the API's path.
        """
        try:
            check_namespaces([namespace])
        except ValueError as error:
            raise UnknownObjectError(str(error)) from None
        return replace(await read_snapshot(self.cluster, namespace), context=self.context)

    async def judge(self, edit: Edit) -> Verdict:
        """Return the cluster's verdict on a change, which isn't stored."""
        return await try_edit(self.cluster, edit)

    async def make(self, edit: Edit, renew: Renew) -> list[str]:
        """Make a change, and return the warnings."""
        return await make_as_shown(self.cluster, edit, renew)
