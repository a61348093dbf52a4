"""Writes Roles and RoleBindings. Each write is guarded by what was read, and foreign objects are left alone."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from tenure.controller.access.cache import Granted
from tenure.controller.blocked import ObstructedError
from tenure.domain.access.bindings import Address, Desired, Observed, RoleRef, content_text
from tenure.domain.reasons import Reason
from tenure.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    ObjectNotFoundError,
    RejectedError,
    UnavailableError,
)
from tenure.kube import bindings as rbac
from tenure.kube.cluster import Cluster


class Granting:
    """Writes Roles and RoleBindings, and caches the answers.

    Every method raises `ObstructedError` if a person has to act first, and `ConflictError` if an object changed in the
    meantime. In the second case it has read the object again, and the caller should compare again.
    """

    def __init__(self, cluster: Cluster, doubt: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._doubt = doubt
        self.known = Granted()

    async def bring_all(self, desired: Sequence[Desired]) -> None:
        """Create or update each object. An obstacle to one doesn't hold up the others, and is raised at the end."""
        obstacles = []
        for one in desired:
            try:
                await self._bring(one)
            except ObstructedError as error:
                obstacles.append(error)
        if obstacles:
            raise obstacles[0]

    async def remove(self, addresses: Sequence[Address]) -> None:
        """Delete those of the objects that are Tenure's, in this order. The garbage collector may be faster."""
        for address in addresses:
            observed = self.known.objects.get(address)
            if observed is not None and observed.owner is not None:
                async with self._writing(address):
                    await rbac.delete(self._cluster, address, observed)
                self.known.drop(address)

    async def refuse_foreign(self, addresses: Sequence[Address]) -> None:
        """Raise `ObstructedError` if an object isn't Tenure's, after reading it again."""
        for address in addresses:
            observed = self.known.objects.get(address)
            if observed is not None and observed.owner is None:
                _refuse_foreign(address, await self._read_again(address))
                raise ConflictError(f"{address} changed: it is compared again")

    async def _bring(self, desired: Desired) -> None:
        """Create an object, or replace its content."""
        address = desired.address
        observed = self.known.objects.get(address)
        if observed is not None and not observed.serves(desired):
            await self.remove([address])  # E.g. of a deleted owner of the same name.
            observed = None
        async with self._writing(address):
            if observed is None:
                await self._refuse_missing(desired)
                self.known.put(address, await rbac.create(self._cluster, desired))
            elif observed.text != content_text(desired.content):
                self.known.put(address, await rbac.replace_content(self._cluster, desired, observed))

    @contextlib.asynccontextmanager
    async def _writing(self, address: Address) -> AsyncIterator[None]:
        try:
            yield
        except AlreadyExistsError as error:
            _refuse_foreign(address, await self._read_again(address))
            raise ConflictError(f"{address} exists: it is compared again") from error
        except (ConflictError, ObjectNotFoundError) as error:
            await self._read_again(address)
            raise ConflictError(f"{address} changed: it is compared again") from error
        except (ForbiddenError, RejectedError) as error:
            raise ObstructedError(
                Reason.BINDING_FORBIDDEN, f"Tenure can't write {address}. Give it the rights that it needs. ({error})"
            ) from error
        except UnavailableError:
            self._doubt(address.namespace)  # The write may be stored all the same.
            raise

    async def _read_again(self, address: Address) -> Observed | None:
        observed = await rbac.get_held(self._cluster, address)
        if observed is None:
            self.known.drop(address)
        else:
            self.known.put(address, observed)
        return observed

    async def _refuse_missing(self, desired: Desired) -> None:
        match desired.role:
            case RoleRef("ClusterRole", name) if not await rbac.has_cluster_role(self._cluster, name):
                raise ObstructedError(
                    Reason.CLUSTER_ROLE_MISSING, f"ClusterRole {name} is missing. Apply manifests/roles.yaml."
                )


def _refuse_foreign(address: Address, observed: Observed | None) -> None:
    if observed is not None and observed.owner is None:
        raise ObstructedError(
            Reason.BINDING_CONFLICT, f"{address} exists and isn't Tenure's, so Tenure doesn't change it. Delete it."
        )
