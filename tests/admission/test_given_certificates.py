"""A certificate from files that somebody else renews: served, replaced in place, and nothing of our own beside it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from support.cluster.authority import HOST, bundle, bundle_managers, registered, secret, served_by, trust, wait_judged
from support.programs.refused_start import refused_start
from support.programs.webhook_process import WebhookProcess
from support.run.eventually import eventually
from tenure_dev.controlplane import ControlPlane
from tenure_dev.webhooks import NAMESPACE, command

CERTIFICATE, KEY = "tls.crt", "tls.key"
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture(scope="module")
def plane(own_plane: ControlPlane) -> ControlPlane:
    return own_plane


@pytest.fixture(scope="module")
def port(plane: ControlPlane) -> Iterator[int]:
    with registered(plane) as port:
        yield port


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """Give an authority, and its certificate in two files."""
    authority = trustme.CA()
    issue(authority, tmp_path)
    return authority


def issue(authority: trustme.CA, folder: Path, until: datetime | None = None) -> None:
    leaf = authority.issue_cert(HOST, not_after=until)
    leaf.cert_chain_pems[0].write_to_path(str(folder / CERTIFICATE))
    leaf.private_key_pem.write_to_path(str(folder / KEY))


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def arguments(folder: Path) -> list[str]:
    return [f"--tls-cert-file={folder / CERTIFICATE}", f"--tls-key-file={folder / KEY}"]


def test_files_are_served_and_replaced_in_place_and_nothing_else_is_written(
    plane: ControlPlane, port: int, authority: trustme.CA, tmp_path: Path
) -> None:
    trusted = authority.cert_pem.bytes()
    trust(plane, trusted)
    with WebhookProcess(plane.kubeconfig, tmp_path / "webhook.log", port, *arguments(tmp_path)) as process:
        wait_judged(plane)
        first = served_by(port, trusted).serial_number
        pid = process.pid

        issue(authority, tmp_path)

        eventually(lambda: served_by(port, trusted).serial_number != first, within=30, describe="the new one is served")
        wait_judged(plane)
        assert process.pid == pid
    assert secret(plane) is None
    assert bundle(plane) == trusted
    assert bundle_managers(plane) == {"cert-manager"}


def test_files_that_are_spoilt_later_leave_what_is_served_and_are_complained_about(
    plane: ControlPlane, port: int, authority: trustme.CA, tmp_path: Path
) -> None:
    trusted = authority.cert_pem.bytes()
    trust(plane, trusted)
    with WebhookProcess(plane.kubeconfig, tmp_path / "webhook.log", port, *arguments(tmp_path)) as process:
        first = served_by(port, trusted).serial_number
        (tmp_path / KEY).write_bytes(b"")
        eventually(lambda: "no private key in PEM" in process.log, within=30, describe="it complains")
        assert served_by(port, trusted).serial_number == first
        wait_judged(plane)


Spoil = Callable[[trustme.CA, Path], object]

SPOILT: Mapping[str, tuple[Spoil, str, str]] = {
    "expired": (lambda authority, folder: issue(authority, folder, YESTERDAY), "--tls-cert-file", "expired on"),
    "wrong pair": (
        lambda authority, folder: authority.issue_cert(HOST).private_key_pem.write_to_path(str(folder / KEY)),
        "--tls-key-file",
        "the private key doesn't belong to the certificate",
    ),
    "missing certificate": (
        lambda _, folder: (folder / CERTIFICATE).unlink(),
        "--tls-cert-file",
        "No such file or directory",
    ),
    "missing key": (lambda _, folder: (folder / KEY).unlink(), "--tls-key-file", "No such file or directory"),
    "a folder": (
        lambda _, folder: put_folder(folder / KEY),
        "--tls-key-file",
        "Is a directory",
    ),
    "text": (lambda _, folder: (folder / CERTIFICATE).write_text("hello"), "--tls-cert-file", "no certificate in PEM"),
}


@pytest.mark.parametrize(("spoil", "option", "says"), [pytest.param(*row, id=name) for name, row in SPOILT.items()])
def test_files_that_can_not_serve_are_refused_at_the_start(
    plane: ControlPlane, port: int, authority: trustme.CA, tmp_path: Path, *, spoil: Spoil, option: str, says: str
) -> None:
    spoil(authority, tmp_path)
    message = refused_start(plane.kubeconfig, *arguments(tmp_path), command=command(port))
    file = {"--tls-cert-file": CERTIFICATE, "--tls-key-file": KEY}[option]
    assert f"{option} {tmp_path / file}" in message
    assert says in message


@pytest.mark.parametrize("given", [0, 1], ids=["only the certificate", "only the key"])
def test_one_file_alone_is_refused(
    plane: ControlPlane, port: int, authority: trustme.CA, tmp_path: Path, given: int
) -> None:
    del authority
    message = refused_start(plane.kubeconfig, arguments(tmp_path)[given], command=command(port))
    assert "--tls-cert-file and --tls-key-file belong together. Set both, or neither." in message


def test_the_namespace_of_the_leases_is_missed_at_the_start(
    plane: ControlPlane, port: int, authority: trustme.CA, tmp_path: Path
) -> None:
    del authority
    elsewhere = [part if part != NAMESPACE else "nowhere" for part in command(port)]
    message = refused_start(plane.kubeconfig, *arguments(tmp_path), command=elsewhere)
    assert "namespace nowhere doesn't exist" in message
    assert "--system-namespace" in message
