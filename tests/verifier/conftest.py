"""One verifier and one operator, as the chart's ServiceAccounts, for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from support.api import Api
from support.identity import CONTROLLER, VERIFIER, config_of
from support.operator_process import OperatorProcess
from support.verifier_process import VerifierProcess
from support.world import World
from tenure_dev.controlplane import ControlPlane


@pytest.fixture(scope="package")
def operator(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with OperatorProcess(config_of(control_plane, CONTROLLER), log, "--no-webhooks") as operator:
        yield operator


@pytest.fixture(scope="package")
def verifier(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VerifierProcess]:
    log = tmp_path_factory.mktemp("verifier") / "verifier.log"
    options = ("--log-format", "json", "--log-level", "debug")
    with VerifierProcess(config_of(control_plane, VERIFIER), log, *options) as verifier:
        yield verifier


@pytest.fixture
def world(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[World]:
    """Give a namespace of its own to a test."""
    if not operator.running:
        operator.start()
    name = f"test-{uuid4().hex[:10]}"
    control_plane.kubectl("create", "namespace", name)
    api = Api(control_plane, name)
    yield World(api)
    api.close()
    control_plane.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")


@pytest.fixture
def log(verifier: VerifierProcess) -> Path:
    return verifier.log_path
