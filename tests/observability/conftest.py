"""A control plane with all components, and an organization that things happened to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs.observed import Observed, observed_plane


@pytest.fixture(scope="package")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    """Give a control plane with every component, for all tests of this folder that stop none of them."""
    folder: Path = tmp_path_factory.mktemp("observed")
    with observed_plane(folder) as observed:
        yield observed
