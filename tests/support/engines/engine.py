"""A GitOps engine that applies an organization from Git, as tests drive and see it."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self
from uuid import uuid4

import yaml

from support.engines.git_server import GitRepository, GitServer
from support.objects.repository import Address, Body, Repository
from support.run.eventually import eventually
from tenure_dev import kubeconfig
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT

MANIFESTS = CHECKOUT / "manifests"
WITHIN = 120.0
"""Seconds of a quiet machine in which an engine comes to a result. Retries are 30 s apart."""


@dataclass(frozen=True)
class Attempt:
    """What an engine says of the newest commit."""

    commit: str
    applied: bool
    """Whether everything of the commit is applied, and healthy."""

    message: str
    """All that it says, such as what was refused."""


class Engine(ABC):
    """An engine that runs on a control plane as its own ServiceAccounts; a context manager."""

    namespace: ClassVar[str]
    """The namespace that it is installed in."""

    def __init__(self, plane: ControlPlane, git: GitServer, folder: Path) -> None:
        self.plane = plane
        self.git = git
        self.folder = folder
        folder.mkdir()
        self._running = ExitStack()
        self._organizations: GitRepository | None = None

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            cleanup.push(self._running)
            self.install()
            self.start()
            cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @abstractmethod
    def install(self) -> None:
        """Apply its kinds, accounts, rights and settings."""

    @abstractmethod
    def start(self) -> None:
        """Start its processes."""

    @abstractmethod
    def organization(self, name: str) -> list[Body]:
        """Return the documented manifests that have it apply the folder of an organization."""

    @abstractmethod
    def installation(self) -> list[Body]:
        """Return the documented manifests that install Tenure."""

    @abstractmethod
    def installed(self) -> Body:
        """Wait until it says that Tenure is installed, and return what says so."""

    @abstractmethod
    def poke(self, name: str) -> None:
        """Have it look at Git now."""

    @abstractmethod
    def attempt(self, name: str) -> Attempt | None:
        """Return what it says of an organization; None while it says nothing."""

    @property
    def organizations(self) -> GitRepository:
        """The repository of the organizations."""
        if self._organizations is None:
            self._organizations = self.git.repository("organizations")
        return self._organizations

    def account(self, name: str) -> Path:
        """Return the kubeconfig of one of its ServiceAccounts."""
        path = self.folder / f"{name}.kubeconfig"
        token = self.plane.kubectl("create", "token", name, f"--namespace={self.namespace}", "--duration=12h")
        server, authority = self.plane.server, self.plane.certificate_authority
        return kubeconfig.write(path, server, authority=authority, token=token.stdout.strip())

    def manifests(self, path: str) -> list[Body]:
        """Return the bodies of a documented manifest, with the repositories of this Git server."""
        return [*yaml.safe_load_all(self.git.moved((MANIFESTS / path).read_text()))]

    def apply(self, *bodies: Body) -> None:
        """Apply objects as an administrator does."""
        for body in bodies:
            self.plane.kubectl("apply", "--server-side", "--filename=-", input=json.dumps(body))

    def get(self, kind: str, name: str) -> Body | None:
        """Return one of its own objects."""
        found = self.plane.kubectl(
            "get", kind, name, f"--namespace={self.namespace}", "--output=json", "--ignore-not-found"
        ).stdout
        return json.loads(found) if found else None


class Sync:
    """An organization that an engine keeps as it is in Git."""

    def __init__(self, engine: Engine, repository: Repository) -> None:
        self.engine = engine
        self.repository = repository
        self.name = repository.namespace
        self.head = ""

    def push(self, subject: str = "Change the organization") -> str:
        """Commit what the repository holds, and have the engine look at it."""
        namespace: Body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}
        files = {_file(address): body for address, body in self.repository.files.items()}
        self.engine.organizations.write(f"organizations/{self.name}", {"namespace.yaml": namespace, **files})
        self.head = self.engine.organizations.commit(subject)
        self.engine.poke(self.name)
        return self.head

    def settle(self, subject: str = "Change the organization") -> Attempt:
        """Push, and wait until everything is applied and healthy."""
        self.push(subject)
        return self.wait(lambda attempt: attempt.applied, "applied and healthy")

    def refused(self, *words: str) -> Attempt:
        """Push, and wait until the engine says these words of the commit."""
        self.push()
        return self.says(*words)

    def says(self, *words: str) -> Attempt:
        """Wait until the engine says these words of the newest commit, which isn't applied."""
        return self.wait(
            lambda attempt: not attempt.applied and all(word in attempt.message for word in words), f"says {words}"
        )

    def wait(self, check: Callable[[Attempt], bool], describe: str) -> Attempt:
        """Wait until the engine has come to a result about the newest commit."""
        return eventual_attempt(lambda: self.engine.attempt(self.name), self.head, check, describe)


def eventual_attempt(
    look: Callable[[], Attempt | None], commit: str, check: Callable[[Attempt], bool], describe: str
) -> Attempt:
    """Wait until an engine has come to a result about a commit."""
    last: list[Attempt | None] = [None]

    def reached() -> Attempt | None:
        last[0] = attempt = look()
        return attempt if attempt and attempt.commit == commit and check(attempt) else None

    try:
        found = eventually(reached, within=WITHIN, every=0.5, describe=describe)
    except AssertionError as error:
        raise AssertionError(f"{error}\ncommit {commit}; the engine says {last[0]}") from None
    assert found is not None
    return found


def tenure_manifests() -> Mapping[str, Path]:
    """The folders of Tenure's own repository that the documented installations use."""
    return {"helm/tenure": CHECKOUT / "helm" / "tenure"}


def fresh_name() -> str:
    """A name for an organization and its namespace."""
    return f"acme-{uuid4().hex[:8]}"


def _file(address: Address) -> str:
    kind, name = address
    folder = {"Organization": "", "Membership": "members/", "ApiKey": "keys/"}[kind]
    return f"{folder}{name if folder else 'organization'}.yaml"
