"""Issue the certificates of a local control plane, with a new CA at each start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trustme


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Certificates:
    """The certificates and keys with which the control plane's programs and their clients trust each other."""

    authority: Path
    """The CA's certificate."""
    serving: KeyPair
    """Serving certificate for 127.0.0.1 and localhost."""
    admin: KeyPair
    """Client certificate of a member of system:masters, to whom the API server allows everything."""
    controller_manager: KeyPair
    """Client certificate of kube-controller-manager."""
    service_account_key: Path
    """Key that signs the tokens of ServiceAccounts."""
    clients: Mapping[str, KeyPair] = field(default_factory=dict)
    """Client certificates of further users."""


def issue(folder: Path, *, names: Sequence[str] = (), clients: Mapping[str, str] | None = None) -> Certificates:
    """Create a CA and all certificates and write them into `folder`, readable by this user only.

    `names` are further names and addresses of the API server. `clients` are further users and the group of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority = trustme.CA(organization_name="tenure-dev")
    authority_path = folder / "ca.crt"
    authority.cert_pem.write_to_path(authority_path)
    serving = authority.issue_cert("127.0.0.1", "localhost", "kubernetes.default.svc", *names)
    admin = _client(authority, "tenure-admin", group="system:masters")
    manager = _client(authority, "system:kube-controller-manager", group="tenure-dev")
    signer = folder / "service-account.key"
    _client(authority, "service-accounts", group="tenure-dev").private_key_pem.write_to_path(signer)
    return Certificates(
        authority=authority_path,
        serving=_write(serving, folder, "apiserver"),
        admin=_write(admin, folder, "admin"),
        controller_manager=_write(manager, folder, "controller-manager"),
        service_account_key=signer,
        clients={
            user: _write(_client(authority, user, group=group), folder, user.replace(":", "-"))
            for user, group in (clients or {}).items()
        },
    )


def _client(authority: trustme.CA, user: str, *, group: str) -> trustme.LeafCert:
    # Kubernetes reads the user from the common name and the group from the organization. The host name is
    # there because Go rejects a certificate whose list of alternative names is empty.
    return authority.issue_cert("client.tenure.test", common_name=user, organization_name=group)


def _write(leaf: trustme.LeafCert, folder: Path, name: str) -> KeyPair:
    pair = KeyPair(folder / f"{name}.crt", folder / f"{name}.key")
    leaf.cert_chain_pems[0].write_to_path(pair.certificate)
    leaf.private_key_pem.write_to_path(pair.key)
    return pair
