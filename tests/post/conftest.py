"""A whole installation with a real mail server, for `make e2e-mail`."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser

from support.api.api import Api
from support.cluster.world import World
from support.objects import manifests
from support.programs.browser import chromium
from support.run.eventually import eventually
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.mailpit import Mailpit
from tenure_dev.paths import CRDS
from tenure_dev.tenure import Tenure

Body = dict[str, Any]


@dataclass(frozen=True)
class Installation:
    """The mail server, and an organization that invites."""

    world: World
    mailpit: Mailpit

    def invite(self, name: str, role: str = "Viewer") -> Body:
        """Create a Membership, and return the letter that it causes."""
        self.world.create(manifests.member(name, role))
        return self.letter(name)

    def letter(self, name: str, number: int = 1) -> Body:
        """Return the letter to a person with a number, from the mail server."""
        found: Body = eventually(
            lambda: self.letters(name)[number - 1], within=60, describe=f"letter {number} to {name} arrives"
        )
        return found

    def letters(self, name: str) -> list[Body]:
        """Return all letters to a person, the oldest first."""
        found = self.mailpit.read(f"search?query=to:{name}@{manifests.DOMAIN}")["messages"]
        return [self.mailpit.read(f"message/{one['ID']}") for one in reversed(found)]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Give all of Tenure with Mailpit."""
    folder = tmp_path_factory.mktemp("mailbox")
    with ControlPlane.start(find_or_build(), folder, crds=CRDS) as plane, Mailpit.running(folder) as mailpit:
        tenure = Tenure.install(plane, folder, smtp_port=mailpit.smtp_port)
        try:
            tenure.start()
            plane.kubectl("create", "namespace", "acme")
            with closing(Api(plane, "acme")) as api:
                world = World(api)
                world.organization(
                    displayName="Acme Inc.",
                    invitations={"mode": "RequireAcceptance", "language": "de", "contact": "platform@acme.io"},
                )
                eventually(lambda: _since(world), within=60, describe="acme invites")
                world.create(manifests.member("olga", "Owner"))
                yield Installation(world, mailpit)
        finally:
            tenure.stop()


def _since(world: World) -> bool:
    acme = world.api.get("organizations", "acme")
    return acme is not None and "acceptanceSince" in acme["status"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Give a real Chromium."""
    with chromium() as browser:
        yield browser
