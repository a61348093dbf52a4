"""Tenure's own certificate authority, and the serving certificates that it signs."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SKEW = timedelta(minutes=5)
"""How long before its creation a certificate is valid already, for machines whose clocks are behind."""

AUTHORITY_LIVES = 4
"""Lifetime of an authority, in lifetimes of the certificates that it signs."""

_RENEWED_AFTER = 2 / 3


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, as PEM."""

    certificate: bytes
    key: bytes

    @property
    def made(self) -> datetime:
        """When the certificate was created."""
        return self._parsed.not_valid_before_utc + SKEW

    @property
    def ends(self) -> datetime:
        """When the certificate expires."""
        return self._parsed.not_valid_after_utc

    @property
    def renewal(self) -> datetime:
        """When the certificate should be replaced, after two thirds of its lifetime."""
        return self.made + (self.ends - self.made) * _RENEWED_AFTER

    def check(self) -> None:
        """Check that the certificate and the key can be read and belong together.

        Raises:
            ValueError: one can't be read, or they don't belong together. The text says which.
        """
        try:
            public = self._parsed.public_key()
        except ValueError as error:
            raise ValueError("the certificate's file has no certificate in PEM") from error
        try:
            key = serialization.load_pem_private_key(self.key, password=None)
        except TypeError as error:
            raise ValueError("the private key is encrypted. Use one without a password") from error
        except ValueError as error:
            raise ValueError("the key's file has no private key in PEM") from error
        if key.public_key() != public:
            raise ValueError("the private key doesn't belong to the certificate")

    @property
    def _parsed(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate)


@dataclass(frozen=True)
class Authority(KeyPair):
    """A certificate authority."""

    @classmethod
    def create(cls, now: datetime, leaf_life: timedelta) -> Self:
        """Create an authority for certificates with this lifetime."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tenure-webhook-ca")])
        certificate = (
            _builder(name, name, key, now, leaf_life * AUTHORITY_LIVES)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_usage(signs=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))

    def sign(self, hosts: Sequence[str], now: datetime, life: timedelta) -> KeyPair:
        """Issue a serving certificate for these host names and addresses, with this lifetime."""
        issuer = x509.load_pem_x509_certificate(self.certificate)
        signer = serialization.load_pem_private_key(self.key, password=None)
        if not isinstance(signer, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority's key must be an elliptic curve key")
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tenure-webhook")])
        certificate = (
            _builder(name, issuer.subject, key, now, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(_usage(signs=False), critical=True)
            .sign(signer, hashes.SHA256())
        )
        return KeyPair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
