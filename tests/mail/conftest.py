"""Two replicas of the mail process with an accept page, as the chart's ServiceAccount."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
import requests

from support.cluster.identity import MAIL, config_of
from support.programs.accept_page import KEY, now
from support.programs.altered import EVERYBODY_IS_NEW, altered_mail
from support.programs.mail_process import MailProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure.domain.invitations.links import Claim
from tenure.domain.resources import Membership
from tenure_dev.controlplane import ControlPlane, free_ports

PREFIX = "/tenure"
BASE_URL = f"http://join.acme.io{PREFIX}"


@dataclass(frozen=True)
class Replicas:
    """The ports of the replicas' pages."""

    ports: tuple[int, ...]

    def link(self, body: dict[str, object]) -> tuple[str, ...]:
        """Return the address of a Membership's link at each replica, once all of them know the Membership."""
        token = Claim.of(Membership.from_body(body), now() + timedelta(hours=1)).sign([KEY])
        return self.urls(token)

    def urls(self, token: str) -> tuple[str, ...]:
        """Return the address of a link at each replica, once all of them know it."""
        urls = tuple(f"http://127.0.0.1:{port}{PREFIX}/invitations/{token}" for port in self.ports)
        for url in urls:
            eventually(partial(_is_known, url), within=30, describe="the link is known")
        return urls


def _is_known(url: str) -> bool:
    return requests.get(url, timeout=NEVER).ok


def form_of(url: str) -> str:
    """Look at a page, and return the token of its form."""
    answer = requests.get(url, timeout=NEVER)
    assert answer.status_code == 200
    found = re.search(r'name="form" value="([^"]+)"', answer.text)
    assert found is not None
    return found[1]


def send(url: str, form: str) -> requests.Response:
    """Send the form of a page."""
    return requests.post(url, data={"form": form}, headers={"origin": "http://join.acme.io"}, timeout=NEVER)


def accept(url: str) -> None:
    """Accept an invitation."""
    assert send(url, form_of(url)).status_code == 200


@pytest.fixture(scope="package")
def replicas(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Give two replicas."""
    folder = tmp_path_factory.mktemp("mail")
    (folder / "keys").mkdir()
    (folder / "keys" / "k1").write_bytes(base64.b64encode(KEY.secret))
    ports = tuple(free_ports(2))
    first, second = (
        MailProcess(
            config_of(control_plane, MAIL),
            folder / f"mail-{port}.log",
            f"--page-port={port}",
            f"--base-url={BASE_URL}",
            f"--signing-keys={folder / 'keys'}",
            # No letter gets anywhere, and a request for one is taken.
            *("--smtp-host=127.0.0.1", "--smtp-server-port=1", "--mail-from=tenure@acme.io"),
            command=altered_mail(EVERYBODY_IS_NEW),
        )
        for port in ports
    )
    with first, second:
        yield Replicas(ports)
