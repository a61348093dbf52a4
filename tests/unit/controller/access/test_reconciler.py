"""Whose access a change has reconciled."""

from typing import cast

import pytest

from support.objects.builders import NOW, api_key, edited, issued, membership, organization
from support.objects.invitations import inviting
from tenure.controller.refs import Change, ref_of
from tenure.controller.wiring import wire
from tenure.domain.installation import Installation, KubernetesAccess
from tenure.domain.resources import Resource
from tenure.domain.resources.base import format_time
from tenure.kube.cluster import Cluster

pytestmark = pytest.mark.asyncio(loop_scope="function")

NOBODY = cast("Cluster", None)
"""Nothing is asked of a cluster here."""

INVITED = membership(status={"invitation": {"sentAt": format_time(NOW)}})
ACCEPTED = membership(status={"invitation": {"acceptedAt": format_time(NOW)}})


async def test_a_former_holder_is_asked_for_though_a_service_account_has_the_same_name() -> None:
    parts = wire(NOBODY, installation=Installation(), now=lambda: NOW)
    alice, key = membership(), api_key(membership="ci")
    parts.cache.put(alice, 0)
    held = edited(issued(api_key(), alice, organization()), membership="ci")
    for recipient, asked in (
        (membership("ci", kind="ServiceAccount", subject="alice@acme.io"), {"alice@acme.io"}),
        (membership("ci", subject="alice@acme.io"), set()),
        (membership("ci", subject="bob@acme.io"), {"alice@acme.io"}),
    ):
        assert parts.bindings.former_readers(held, recipient) == asked
        assert parts.bindings.former_readers(key, recipient) == set()


@pytest.mark.parametrize(
    ("old", "new", "number"),
    [
        pytest.param(membership(), ACCEPTED, 2, id="accepted: the roles and the member's own keys"),
        pytest.param(membership(), INVITED, 0, id="a letter was sent"),
        pytest.param(inviting(), inviting(since=NOW), 1, id="since when acceptance is required: the roles"),
        pytest.param(organization(), organization(status={"owners": ["olga"]}), 0, id="a sum"),
    ],
)
async def test_an_acceptance_has_access_reconciled(old: Resource, new: Resource, number: int) -> None:
    installation = Installation(kubernetes_access=KubernetesAccess.ROLES_AND_KEYS)
    bindings = wire(NOBODY, installation=installation, now=lambda: NOW).bindings
    bindings.changed(Change(ref_of(new), old, new), ours=False)
    assert len(bindings.queue) == number
