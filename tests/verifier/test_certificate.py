"""A verifier serves what cert-manager renews without a restart, and tells when its certificate expires."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import trustme

from support.cluster.authority import HOST, served_by
from support.cluster.identity import VERIFIER, config_of
from support.programs.observed import scrape, value
from support.programs.refused_start import refused_start
from support.programs.verifier_process import VerifierProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER
from tenure_dev.controlplane import ControlPlane, free_ports
from tenure_dev.verifier import command

CERTIFICATE, KEY = "tls.crt", "tls.key"
EXPIRY = "tenure_verifier_certificate_expiry_timestamp_seconds"
RENEWAL = "tenure_verifier_certificate_renewal_timestamp_seconds"
NOW = datetime.now(UTC).replace(microsecond=0)


class MountedSecret:
    """A Secret of type kubernetes.io/tls as the kubelet mounts it: all files change at once, behind one link."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.folder = folder
        self.trusted = folder / "ca.crt"
        self.authority.cert_pem.write_to_path(str(self.trusted))
        self._versions = 0
        for name in (CERTIFICATE, KEY):
            (folder / name).symlink_to(Path("..data") / name)

    def issue(self, until: datetime) -> None:
        """Have another certificate in it, with a new key."""
        leaf = self.authority.issue_cert(HOST, not_after=until)
        self.put(leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes())

    def put(self, certificate: bytes, key: bytes) -> None:
        """Have other files in it."""
        self._versions += 1
        version = self.folder / f"..{self._versions}"
        version.mkdir()
        (version / CERTIFICATE).write_bytes(certificate)
        (version / KEY).write_bytes(key)
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self.folder / "..data")

    @property
    def arguments(self) -> list[str]:
        return [f"--tls-cert-file={self.folder / CERTIFICATE}", f"--tls-key-file={self.folder / KEY}"]


@pytest.fixture
def secret(tmp_path: Path) -> MountedSecret:
    return MountedSecret(tmp_path)


def test_a_renewed_certificate_is_served_and_its_expiry_told_while_connections_go_on(
    control_plane: ControlPlane, secret: MountedSecret, tmp_path: Path
) -> None:
    first_ends, second_ends = NOW + timedelta(days=1), NOW + timedelta(days=30)
    secret.issue(until=first_ends)
    trusted = secret.trusted.read_bytes()
    config = config_of(control_plane, VERIFIER)
    with (
        VerifierProcess(config, tmp_path / "verifier.log", *secret.arguments) as verifier,
        requests.Session() as kept,
    ):
        kept.trust_env, kept.verify = False, str(secret.trusted)
        url = f"https://{HOST}:{verifier.port}/openapi.json"
        assert kept.get(url, timeout=NEVER).ok
        assert served_by(verifier.port, trusted).not_valid_after_utc == first_ends
        assert value(verifier, EXPIRY) == first_ends.timestamp()
        assert value(verifier, RENEWAL) < first_ends.timestamp()

        secret.issue(until=second_ends)

        eventually(
            lambda: served_by(verifier.port, trusted).not_valid_after_utc == second_ends,
            within=30,
            describe="the renewed certificate is served",
        )
        assert value(verifier, EXPIRY) == second_ends.timestamp()
        assert kept.get(url, timeout=NEVER).ok


def test_spoilt_files_leave_what_is_served_and_are_complained_about(
    control_plane: ControlPlane, secret: MountedSecret, tmp_path: Path
) -> None:
    ends = NOW + timedelta(days=1)
    secret.issue(until=ends)
    with VerifierProcess(config_of(control_plane, VERIFIER), tmp_path / "verifier.log", *secret.arguments) as verifier:
        secret.put(b"no certificate", b"no key")
        eventually(lambda: "no certificate in PEM" in verifier.log, within=30, describe="it complains")
        assert served_by(verifier.port, secret.trusted.read_bytes()).not_valid_after_utc == ends
        assert verifier.readiness() == (200, "ok")


def test_without_a_certificate_no_expiry_is_told(verifier: VerifierProcess) -> None:
    assert not scrape(verifier)[EXPIRY].samples


def test_an_expired_certificate_is_refused_at_the_start(control_plane: ControlPlane, secret: MountedSecret) -> None:
    secret.issue(until=NOW - timedelta(days=1))
    message = refused_start(control_plane.kubeconfig, *secret.arguments, command=command(free_ports(1)[0]))
    assert f"--tls-cert-file {secret.folder / CERTIFICATE}: the certificate expired on" in message
