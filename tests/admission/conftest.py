"""A control plane on which every change is judged, with the operator beside the webhooks."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.api import Api
from support.audit import Audit
from support.judged import Judged, judged_plane
from support.world import World

__all__ = ["Judged"]


@pytest.fixture(scope="package")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """Give a control plane with the roles, one webhook process and the operator, for all tests of this folder.

    A test that stops or replaces one of them starts a control plane of its own.
    """
    with judged_plane(tmp_path_factory.mktemp("judged")) as judged:
        yield judged


@pytest.fixture
def world(judged: Judged) -> Iterator[World]:
    """Give a namespace of the judged control plane, seen by its administrator; `world.api.as_user` is somebody else."""
    name = f"test-{uuid4().hex[:10]}"
    judged.plane.kubectl("create", "namespace", name)
    api = Api(judged.plane, name)
    yield World(api)
    api.close()
    judged.plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def audit(judged: Judged) -> Audit:
    """Give the requests that the judged API server answers from here on."""
    assert judged.plane.audit_log is not None
    return Audit(judged.plane.audit_log)


@pytest.fixture
def log(judged: Judged) -> Path:
    """Give the webhook process's log."""
    return judged.webhook.log_path
