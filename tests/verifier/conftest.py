"""One verifier, as the chart's ServiceAccount, for all tests of this folder, beside the shared operator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster.identity import VERIFIER, config_of
from support.cluster.world import World
from support.programs.operator_process import OperatorProcess
from support.programs.verifier_process import VerifierProcess
from tenure_dev.controlplane import ControlPlane


@pytest.fixture(scope="package")
def verifier(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VerifierProcess]:
    log = tmp_path_factory.mktemp("verifier") / "verifier.log"
    options = ("--log-format", "json", "--log-level", "debug")
    with VerifierProcess(config_of(control_plane, VERIFIER), log, *options) as verifier:
        yield verifier


@pytest.fixture
def world(world: World, operator: OperatorProcess) -> World:
    """Give the test's namespace, with an operator that serves it."""
    assert operator.running
    return world


@pytest.fixture
def log(verifier: VerifierProcess) -> Path:
    return verifier.log_path
