"""The real Argo CD and Flux on the judged control plane, each where it is built, and organizations that they apply."""

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from support.api.api import Api, Body
from support.cluster.world import World
from support.engines.argocd import ArgoCD
from support.engines.engine import Engine, Sync, fresh_name
from support.engines.flux import Flux
from support.engines.git_server import GitServer, serve_git
from support.objects.repository import Address, Repository, samples
from support.programs.judged import Judged
from tenure_dev.engines import MODULES

ENGINES: dict[str, type[Engine]] = {"argocd": ArgoCD, "flux": Flux}
CHOSEN = sorted(set(ENGINES) & set(os.environ.get("TENURE_ENGINES", "").split())) or sorted(ENGINES)


def require(name: str) -> None:
    """Skip the test where an engine isn't built, or wasn't asked for."""
    if name not in CHOSEN:
        pytest.skip(f"ENGINES asks for {', '.join(CHOSEN)} only")
    module = MODULES[name]
    if module.missing(module.folder):
        pytest.skip(f"{module.name} isn't built: make e2e-engines builds it")


@pytest.fixture(scope="session")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """Give the Git server."""
    with serve_git(tmp_path_factory.mktemp("git") / "platform") as server:
        yield server


@pytest.fixture(scope="session")
def argocd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Give Argo CD on the judged control plane."""
    yield from started("argocd", request, tmp_path_factory)


@pytest.fixture(scope="session")
def flux(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Give Flux on the judged control plane."""
    yield from started("flux", request, tmp_path_factory)


def started(name: str, request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> Iterator[Engine]:
    """Start an engine that applies organizations, and before it what it needs, unless it isn't built."""
    require(name)
    judged: Judged = request.getfixturevalue("judged")
    with ENGINES[name](judged.plane, request.getfixturevalue("git"), folders.mktemp(name) / "engine") as engine:
        yield engine


@pytest.fixture(params=CHOSEN)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Give each engine in turn."""
    found: Engine = request.getfixturevalue(request.param)
    return found


def unprotected(files: dict[Address, Body]) -> dict[Address, Body]:
    """The samples without the engines' own protections, which `test_protections.py` tests."""
    for body in files.values():
        body["metadata"].pop("annotations", None)
    return files


@pytest.fixture
def sync(engine: Engine) -> Iterator[Sync]:
    """Give an organization in Git, with the samples, that the engine is told to apply and that isn't pushed yet."""
    name = fresh_name()
    repository = Repository(engine.plane, name, unprotected(samples(name)))
    sync = Sync(engine, repository)
    sync.push("Found the organization")
    bodies = engine.organization(name)
    engine.apply(*bodies)
    yield sync
    target = bodies[-1]
    engine.plane.kubectl("delete", target["kind"], target["metadata"]["name"], f"--namespace={engine.namespace}")


@pytest.fixture
def world(sync: Sync) -> Iterator[World]:
    """Give the organization's namespace as its administrator sees it."""
    with closing(Api(sync.engine.plane, sync.name)) as api:
        yield World(api)
