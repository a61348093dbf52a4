"""Acme with the samples' members and keys, on the control plane on which every change is judged."""

from collections.abc import Iterator

import pytest

from support.cluster.world import World
from support.programs.judged import Judged
from support.programs.kubectl_tenure import Person, person, sample_world


@pytest.fixture(scope="module")
def acme(judged: Judged) -> Iterator[World]:
    """Give the organization of the samples, once for a module."""
    with sample_world(judged) as world:
        yield world


@pytest.fixture(scope="module")
def root(judged: Judged, acme: World, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Give an administrator."""
    return person(judged.plane, acme.api.namespace, tmp_path_factory.mktemp("root"))
