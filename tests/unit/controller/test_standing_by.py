"""A replica that waits remembers what it learns, and lets nothing pile up."""

from typing import cast

import pytest

from support.objects.builders import api_key, issued, membership, organization
from tenure.controller.controller import Controller
from tenure.controller.wiring import Parts, wire
from tenure.domain.installation import DEFAULTS
from tenure.domain.resources import ApiKey
from tenure.kube.cluster import Cluster
from tenure.observability.metrics import Queue

pytestmark = pytest.mark.asyncio(loop_scope="function")

NOBODY = cast("Cluster", None)
"""Nothing is asked of a cluster here."""


def standing_by() -> tuple[Parts, Controller]:
    parts = wire(NOBODY, installation=DEFAULTS, standing_by=True)
    return parts, Controller(parts, resync_seconds=300.0)


async def test_what_is_learnt_is_remembered_and_nobody_is_queued() -> None:
    parts, _ = standing_by()
    parts.informer.take_in(membership())
    parts.informer.take_in(key := issued(api_key(), membership(), organization()))
    parts.informer.observe(ApiKey, "DELETED", {"kind": "ApiKey", **key.model_dump(by_alias=True, mode="json")})
    assert [type(known).kind for known in parts.cache.all()] == ["Membership"]
    assert len(parts.queues[Queue.OBJECTS]) == 0


async def test_objects_are_told_of_by_the_replica_only_that_reconciles() -> None:
    parts, controller = standing_by()
    for resource in (organization(), membership(), issued(api_key(), membership(), organization())):
        parts.informer.take_in(resource)

    async def shown() -> set[str]:
        return {reading.metric.name for reading in await controller.measure()}

    of_objects = {"tenure_keys", "tenure_memberships", "tenure_organization_info"}
    assert not await shown() & of_objects
    controller.lead(lambda: True)
    assert of_objects <= await shown()


async def test_whoever_takes_over_looks_at_everything() -> None:
    parts, controller = standing_by()
    parts.informer.take_in(membership())
    parts.informer.take_in(api_key())
    controller.lead(lambda: True)
    assert len(parts.queues[Queue.OBJECTS]) == len(parts.cache.all()) == 2
