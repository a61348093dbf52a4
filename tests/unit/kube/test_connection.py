"""What a connection checks of the API server, whichever Python runs."""

import ssl
from pathlib import Path

import pytest
import trustme

from tenure.kube.connection import connect
from tenure_dev import kubeconfig


async def test_chain_and_host_name_are_checked_and_key_identifiers_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = tmp_path / "ca.crt"
    trustme.CA().cert_pem.write_to_path(authority)
    path = kubeconfig.write(tmp_path / "config", "https://127.0.0.1:1", authority=authority, token="token")
    monkeypatch.setenv("KUBECONFIG", str(path))

    context = (await connect()).ssl_context

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
