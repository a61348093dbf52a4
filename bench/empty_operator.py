"""An operator that does nothing: what Kopf itself costs when it meets existing objects."""

from typing import Any

import kopf


@kopf.on.event("tenure.dev", "v1alpha1", "organizations")
@kopf.on.event("tenure.dev", "v1alpha1", "memberships")
@kopf.on.event("tenure.dev", "v1alpha1", "apikeys")
async def look(**_: Any) -> None:
    """See an object and do nothing about it."""
