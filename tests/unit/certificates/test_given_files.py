"""A certificate from files: taken over when they change, refused when they can't serve, and never half taken over."""

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from support.api.handshakes import served
from tenure.certificates.authority import Authority, KeyPair
from tenure.certificates.keeper import GivenFiles
from tenure.errors import StartRefusedError

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
AUTHORITY = Authority.create(NOW - 9 * DAY, 90 * DAY)


def leaf(made: datetime = NOW) -> KeyPair:
    return AUTHORITY.sign(["tenure-webhook.tenure-system.svc"], made, DAY)


def encrypted(key: bytes) -> bytes:
    return serialization.load_pem_private_key(key, password=None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


@pytest.fixture
def files(tmp_path: Path) -> GivenFiles:
    given = GivenFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    write(given, leaf())
    return given


def write(files: GivenFiles, pair: KeyPair) -> None:
    files.certificate.write_bytes(pair.certificate)
    files.key.write_bytes(pair.key)


Spoil = Callable[[GivenFiles], object]

SPOILT: Mapping[str, tuple[Spoil, str]] = {
    "no certificate file": (lambda files: files.certificate.unlink(), "No such file or directory"),
    "no key file": (lambda files: files.key.unlink(), "No such file or directory"),
    "empty certificate": (lambda files: files.certificate.write_bytes(b""), "no certificate in PEM"),
    "empty key": (lambda files: files.key.write_bytes(b""), "no private key in PEM"),
    "another key": (lambda files: files.key.write_bytes(leaf().key), "doesn't belong to the certificate"),
    "encrypted key": (
        lambda files: files.key.write_bytes(encrypted(files.key.read_bytes())),
        "encrypted. Use one without a password",
    ),
    "expired": (lambda files: write(files, leaf(NOW - 2 * DAY)), "expired on"),
    "swapped": (
        lambda files: write(files, KeyPair(files.key.read_bytes(), files.certificate.read_bytes())),
        "no certificate in PEM",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), [pytest.param(*row, id=name) for name, row in SPOILT.items()])
async def test_files_that_can_not_serve_are_refused_by_name_and_what_is_served_stays(
    files: GivenFiles, spoil: Spoil, says: str
) -> None:
    assert await files.look()
    before = served(files.context)
    spoil(files)

    with pytest.raises(StartRefusedError, match=says) as refused:
        await files.look()

    assert f"--tls-cert-file {files.certificate}" in str(refused.value)
    assert served(files.context) == before


async def test_new_files_are_served_without_a_new_context(files: GivenFiles) -> None:
    assert await files.look()
    context, before = files.context, served(files.context)
    assert not await files.look()

    write(files, leaf())

    assert await files.look()
    assert files.context is context
    assert served(context) != before


async def test_files_that_change_one_after_the_other_are_taken_over_together(files: GivenFiles) -> None:
    assert await files.look()
    before, after = served(files.context), leaf()
    files.certificate.write_bytes(after.certificate)
    with pytest.raises(StartRefusedError):
        await files.look()
    assert served(files.context) == before
    files.key.write_bytes(after.key)
    assert await files.look()
    assert served(files.context) != before


KINDS = [pytest.param(old, new, id=f"{old.name} to {new.name}") for old, new in product(trustme.KeyType, repeat=2)]


@pytest.mark.parametrize(("old", "new"), KINDS)
async def test_a_certificate_of_another_kind_of_key_takes_the_old_one_s_place(
    files: GivenFiles, old: trustme.KeyType, new: trustme.KeyType
) -> None:
    authority = trustme.CA()
    for kind in (old, new):
        issued = authority.issue_cert("tenure-webhook.tenure-system.svc", key_type=kind)
        write(files, KeyPair(issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()))
        assert await files.look()
        assert served(files.context) == ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
