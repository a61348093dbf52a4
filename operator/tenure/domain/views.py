"""Views of an ApiKey: the key as if one of its other tokens were its current one.

A key has one token and, around a rotation, another one: its successor, which is announced, or the former one. Each has
a stamp of its own, and the same functions judge it on a view that has this token's id, hash and stamp in the place of
the current ones.
"""

from collections.abc import Iterator

from tenure.domain.resources import ApiKey
from tenure.domain.resources.stamp import AnnouncedToken, FormerToken


def announced_view(api_key: ApiKey) -> ApiKey | None:
    """Return the view of the token that a rotation announced, or None if there is none."""
    return _view(api_key, api_key.status.next)


def former_view(api_key: ApiKey) -> ApiKey | None:
    """Return the view of the token before the last rotation, or None if there is none."""
    return _view(api_key, api_key.status.previous)


def token_views(api_key: ApiKey) -> Iterator[ApiKey]:
    """Yield a view for each token of a key: the key itself for the current one, its successor and the former one.

    A key that never had a token yields nothing.
    """
    if api_key.status.hash is not None:
        yield api_key
    yield from (view for view in (announced_view(api_key), former_view(api_key)) if view is not None)


def memberships_of(api_key: ApiKey) -> set[str]:
    """Return the names of the Memberships that a key depends on: that of its spec, and those of its tokens' stamps."""
    return {api_key.spec.membership, *(view.holder for view in token_views(api_key))}


def views_of(api_key: ApiKey, membership: str) -> Iterator[ApiKey]:
    """Yield a view for each token of a key that was issued under this Membership, the present token first."""
    yield from (view for view in token_views(api_key) if view.holder == membership)


def reader_of(api_key: ApiKey) -> str | None:
    """Return the name of the member who may read the key's Secret, or None while it is handed over to another one."""
    successor = api_key.status.next
    is_leaving = successor is not None and successor.issued.membership not in (None, api_key.holder)
    return None if is_leaving else api_key.holder


def former_holders(api_key: ApiKey) -> set[str]:
    """Return the names of the members who got the key's present token or the one before."""
    views = (api_key if api_key.status.hash is not None else None, former_view(api_key))
    return {view.holder for view in views if view is not None}


def is_former(view: ApiKey) -> bool:
    """Return whether this is the view of a former token."""
    former = view.status.previous
    return former is not None and former.hash == view.status.hash


def _view(api_key: ApiKey, token: AnnouncedToken | FormerToken | None) -> ApiKey | None:
    if token is None:
        return None
    shown = {"key_id": token.key_id, "hash": token.hash, "issued": token.issued}
    if isinstance(token, FormerToken):
        shown["expires_at"] = token.ends_at
    return api_key.model_copy(update={"status": api_key.status.model_copy(update=shown)})
