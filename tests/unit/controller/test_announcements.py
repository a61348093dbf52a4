"""An announced token is in memory until it is delivered, and no longer."""

from typing import cast

import pytest

from support.objects.builders import NOW, api_key, issued, membership, organization, with_status
from tenure.controller.apikeys import ApiKeys
from tenure.controller.queue import Item
from tenure.controller.refs import ref_of
from tenure.controller.wiring import wire
from tenure.domain.installation import DEFAULTS
from tenure.domain.planning.actions import UpdateStatus
from tenure.domain.planning.apikeys import plan_api_key
from tenure.domain.planning.observation import ApiKeyObservation
from tenure.domain.resources import ApiKey
from tenure.domain.tokens import Token
from tenure.kube.cluster import Cluster

pytestmark = pytest.mark.asyncio(loop_scope="function")

NO_CLUSTER = cast("Cluster", None)
"""Nothing is read or written."""


async def test_a_token_whose_rotation_a_revocation_ended_is_forgotten() -> None:
    member, org = membership(), organization()
    key = issued(api_key(), member, org)
    (update,) = plan_api_key(ApiKeyObservation(key, member, org, [key], NOW)).actions
    assert isinstance(update, UpdateStatus)
    key = with_status(key, update.status)
    parts = wire(NO_CLUSTER, installation=DEFAULTS, now=lambda: NOW)
    for resource in (org, member, key):
        parts.cache.put(resource, 0.0)
    keys = parts.reconcilers[ApiKey]
    assert isinstance(keys, ApiKeys)
    keys.announcements.keep(ref_of(key), Token.mint(b"n" * 48), NOW)
    await keys.reconcile(Item(ref_of(key), 0.0, checked=False))
    assert keys.announcements.announced(ref_of(key)) is None
