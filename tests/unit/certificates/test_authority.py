"""The authority and its certificates: what a client that trusts the one makes of the other."""

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tenure.certificates.authority import AUTHORITY_LIVES, SKEW, Authority, KeyPair

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
LIFE = timedelta(days=90)
HOSTS = ("tenure-webhook.tenure-system.svc", "127.0.0.1", "::1")

AUTHORITY = Authority.create(NOW, LIFE)
LEAF = AUTHORITY.sign(HOSTS, NOW, LIFE)


def parsed(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate)


def is_trusted(leaf: KeyPair, authority: Authority, host: str, at: datetime) -> bool:
    """Whether a client that trusts the authority takes the certificate for a host's."""
    try:
        subject: x509.verification.Subject = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        subject = x509.DNSName(host)
    verifier = PolicyBuilder().store(Store([parsed(authority)])).time(at).build_server_verifier(subject)
    try:
        verifier.verify(parsed(leaf), [])
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize("host", HOSTS)
def test_a_certificate_is_trusted_for_each_of_its_hosts(host: str) -> None:
    assert is_trusted(LEAF, AUTHORITY, host, NOW)


@pytest.mark.parametrize("host", ["tenure-webhook", "evil.example", "127.0.0.2"])
def test_a_certificate_is_not_trusted_for_other_hosts(host: str) -> None:
    assert not is_trusted(LEAF, AUTHORITY, host, NOW)


def test_a_certificate_of_another_authority_of_the_same_name_is_not_trusted() -> None:
    assert not is_trusted(LEAF, Authority.create(NOW, LIFE), HOSTS[0], NOW)


MOMENTS: Mapping[str, tuple[timedelta, bool]] = {
    "made by a clock that is ahead": (-SKEW, True),
    "before that": (-SKEW - timedelta(seconds=1), False),
    "at its end": (LIFE, True),
    "after its end": (LIFE + timedelta(seconds=1), False),
}


@pytest.mark.parametrize(("after", "trusted"), [pytest.param(*row, id=name) for name, row in MOMENTS.items()])
def test_a_certificate_holds_for_its_life(after: timedelta, *, trusted: bool) -> None:
    assert is_trusted(LEAF, AUTHORITY, HOSTS[0], NOW + after) is trusted


def test_both_are_due_after_two_thirds_of_their_lives() -> None:
    assert LEAF.renewal == NOW + LIFE * 2 / 3
    assert AUTHORITY.renewal == NOW + AUTHORITY_LIVES * LIFE * 2 / 3
    assert LEAF.made == AUTHORITY.made == NOW


def test_whatever_an_authority_signs_before_it_is_due_ends_before_it_does() -> None:
    last = AUTHORITY.sign(HOSTS, AUTHORITY.renewal, LIFE)
    assert last.ends < AUTHORITY.ends


def test_a_certificate_can_sign_nothing_and_serve_nothing_but_tls() -> None:
    extensions = parsed(LEAF).extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False
    usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]


def test_an_authority_signs_certificates_and_no_further_authorities() -> None:
    constraints = parsed(AUTHORITY).extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)


def test_no_two_are_alike() -> None:
    pairs = [AUTHORITY.sign(HOSTS, NOW, LIFE) for _ in range(5)]
    assert len({parsed(pair).serial_number for pair in pairs}) == len({pair.key for pair in pairs}) == len(pairs)


DAMAGES: Mapping[str, tuple[bytes, bytes, str]] = {
    "empty": (b"", b"", "no certificate in PEM"),
    "no certificate": (b"nonsense", AUTHORITY.key, "no certificate in PEM"),
    "no key": (AUTHORITY.certificate, b"nonsense", "no private key in PEM"),
    "cut off": (AUTHORITY.certificate[:-40], AUTHORITY.key, "no certificate in PEM"),
    "another one's key": (AUTHORITY.certificate, LEAF.key, "doesn't belong to the certificate"),
}


@pytest.mark.parametrize(("certificate", "key", "says"), [pytest.param(*row, id=name) for name, row in DAMAGES.items()])
def test_what_is_damaged_is_known_for_it(certificate: bytes, key: bytes, says: str) -> None:
    AUTHORITY.check()
    with pytest.raises(ValueError, match=says):
        Authority(certificate, key).check()
