"""The control plane on which every change is judged, for tests of the webhooks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api.audit import Audit
from support.cluster.world import World, fresh_world
from support.programs.judged import Judged

__all__ = ["Judged"]


@pytest.fixture
def world(judged: Judged) -> Iterator[World]:
    """Give a namespace of the judged control plane, seen by its administrator; `world.api.as_user` is somebody else."""
    with fresh_world(judged.plane) as world:
        yield world


@pytest.fixture
def audit(judged: Judged) -> Audit:
    """Give the requests that the judged API server answers from here on."""
    assert judged.plane.audit_log is not None
    return Audit(judged.plane.audit_log)


@pytest.fixture
def log(judged: Judged) -> Path:
    """Give the webhook process's log."""
    return judged.webhook.log_path
