"""A certificate authority as EKS and older clusters have it: without the key identifiers that strict checks ask for."""

import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tenure_dev.certificates import Certificates, KeyPair

_STRICT = """\
import runpy, ssl, sys
contexts = ssl.create_default_context
def strict(*args, **kwargs):
    context = contexts(*args, **kwargs)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    return context
ssl.create_default_context = strict
sys.argv[0] = "tenure"
runpy.run_module("tenure", run_name="__main__")
"""

STRICT_COMMAND = (sys.executable, "-c", _STRICT)
"""The command `tenure` with the default TLS context of Python 3.13 and newer, on whichever Python runs the tests."""


def issue(folder: Path) -> Certificates:
    """Make an authority without key identifiers and what a control plane needs of it; as `certificates.issue`."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority = _Authority()
    path = folder / "ca.crt"
    path.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    signer = authority.pair(folder, "service-accounts")
    return Certificates(
        authority=path,
        serving=authority.pair(folder, "apiserver", hosts=("127.0.0.1", "localhost", "kubernetes.default.svc")),
        admin=authority.pair(folder, "tenure-admin", group="system:masters"),
        controller_manager=authority.pair(folder, "system:kube-controller-manager"),
        service_account_key=signer.key,
    )


class _Authority:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("kubernetes")
        self.certificate = _sign(
            self._key,
            self._name,
            self._name,
            self._key,
            (x509.BasicConstraints(ca=True, path_length=None), True),
        )

    def pair(self, folder: Path, user: str, *, group: str = "", hosts: tuple[str, ...] = ("client.test",)) -> KeyPair:
        """A certificate and its key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
        certificate = _sign(key, _name(user, group), self._name, self._key, (names, False))
        stem = user.replace(":", "-")
        pair = KeyPair(folder / f"{stem}.crt", folder / f"{stem}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
            )
        )
        return pair


def _sign(
    key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    extension: tuple[x509.ExtensionType, bool],
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension[0], critical=extension[1])
    )
    return builder.sign(signer, hashes.SHA256())


def _name(user: str, group: str = "") -> x509.Name:
    organization = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*organization, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _alternative(host: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
