"""A replica that waits remembers what it learns, and lets nothing pile up."""

from typing import cast

import pytest

from support.builders import api_key, issued, membership, organization
from tenure.controller.context import Context
from tenure.controller.controller import Controller
from tenure.domain.resources import ApiKey
from tenure.kube.cluster import Cluster

pytestmark = pytest.mark.asyncio(loop_scope="function")

NOBODY = cast("Cluster", None)
"""Nothing is asked of a cluster here."""


async def test_what_is_learnt_is_remembered_and_nobody_is_queued() -> None:
    context = Context(NOBODY, standing_by=True)
    controller = Controller(context, namespaces=(), resync_seconds=300.0)
    context.take_in(membership())
    context.take_in(key := issued(api_key(), membership(), organization()))
    controller.observe(ApiKey, "DELETED", {"kind": "ApiKey", **key.model_dump(by_alias=True, mode="json")})
    assert [type(known).kind for known in context.mirror.all()] == ["Membership"]
    assert len(context.queue) == 0


async def test_objects_are_told_of_by_the_replica_only_that_reconciles() -> None:
    context = Context(NOBODY, standing_by=True)
    controller = Controller(context, namespaces=(), resync_seconds=300.0)
    for resource in (organization(), membership(), issued(api_key(), membership(), organization())):
        context.take_in(resource)

    async def shown() -> set[str]:
        return {reading.metric.name for reading in await controller.measure()}

    of_objects = {"tenure_keys", "tenure_memberships", "tenure_organization_info"}
    assert not await shown() & of_objects
    controller.lead(lambda: True)
    assert of_objects <= await shown()


async def test_whoever_takes_over_looks_at_everything() -> None:
    context = Context(NOBODY, standing_by=True)
    controller = Controller(context, namespaces=(), resync_seconds=300.0)
    context.take_in(membership())
    context.take_in(api_key())
    controller.lead(lambda: True)
    assert len(context.queue) == len(context.mirror.all()) == 2
