"""Make a change of one object as the caller, or have the cluster try it without storing it."""

from collections.abc import Awaitable, Callable, Mapping

from tenure.domain.resources.base import GROUP, VERSION
from tenure.errors import ApiError, ConflictError, ForbiddenError, RejectedError
from tenure.kube.cluster import MERGE_PATCH, Cluster
from tenure.viewmodel.edits import Action, Edit
from tenure.viewmodel.preview import Verdict

_DENIED = " denied the request: "
_DRY_RUN = {"dryRun": "All"}

CONFLICTS = 3
"""Number of conflicts after which a change is tried for the last time."""


async def try_edit(cluster: Cluster, edit: Edit) -> Verdict:
    """Have the cluster judge a change with all its rules and the caller's rights, without storing it.

    Raises:
        ApiError: the cluster can't judge it now.
    """
    try:
        return Verdict(allowed=True, warnings=tuple(await make_edit(cluster, edit, dry_run=True)))
    except (ForbiddenError, RejectedError) as error:
        return Verdict(allowed=False, message=rejection(error))


async def make_edit(cluster: Cluster, edit: Edit, *, dry_run: bool = False) -> list[str]:
    """Make a change, unless the object changed since it was read, and return the API server's warnings.

    Raises:
        ConflictError: the object changed, or another one has its name now.
        ForbiddenError, RejectedError: the cluster rejects the change.
    """
    warnings: list[str] = []
    collection = f"/apis/{GROUP}/{VERSION}/namespaces/{edit.namespace}/{edit.plural}"
    params = {"fieldManager": edit.field_manager, **(_DRY_RUN if dry_run else {})}
    if edit.action is Action.CREATE:
        await cluster.request("POST", collection, params=params, body=edit.manifest, warned=warnings.append)
    elif edit.action is Action.DELETE:
        body: Mapping[str, object] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": edit.preconditions,
            "propagationPolicy": "Background",
            **({"dryRun": ["All"]} if dry_run else {}),
        }
        await cluster.request("DELETE", f"{collection}/{edit.name}", body=body, warned=warnings.append)
    else:
        patch = edit.patch or {}
        body = {**patch, "metadata": {**patch.get("metadata", {}), **edit.preconditions}}
        path = f"{collection}/{edit.name}"
        await cluster.request("PATCH", path, params=params, body=body, content_type=MERGE_PATCH, warned=warnings.append)
    return warnings


async def make_as_shown(cluster: Cluster, edit: Edit, renew: Callable[[], Awaitable[Edit | None]]) -> list[str]:
    """Make a change, and again after a conflict, if the change is still the one that was shown.

    The operator writes the status of an object at any time. `renew` reads the object, and returns the change for its
    present version, or None if it isn't the one that was shown any more.

    Raises:
        ConflictError: the object changed in another way, or another one has its name now.
        ForbiddenError, RejectedError: the cluster rejects the change.
    """
    for _ in range(CONFLICTS):
        try:
            return await make_edit(cluster, edit)
        except ConflictError:
            renewed = await renew()
            if renewed is None:
                raise
            edit = renewed
    return await make_edit(cluster, edit)


def rejection(error: ApiError) -> str:
    """Return why the cluster rejected a change: the webhook's words, or else those of the API server."""
    text = str(error)
    if _DENIED in text:
        return text.partition(_DENIED)[2]
    return text.partition(": ")[2] or text
