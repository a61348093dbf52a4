"""Write self-contained kubeconfig files, which can be copied anywhere."""

import base64
from pathlib import Path
from typing import Any

import yaml

from tenure_dev.certificates import KeyPair


def write(
    path: Path, server: str, *, authority: Path | None = None, client: KeyPair | None = None, token: str = ""
) -> Path:
    """Write a kubeconfig for `server` with one context, readable by this user only, and return its path.

    The client authenticates with a certificate or a token.
    """
    cluster: dict[str, Any] = {"server": server}
    if authority is not None:
        cluster["certificate-authority-data"] = _encoded(authority)
    user: dict[str, Any] = {}
    if client is not None:
        user["client-certificate-data"] = _encoded(client.certificate)
        user["client-key-data"] = _encoded(client.key)
    if token:
        user["token"] = token
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tenure-dev", "cluster": cluster}],
        "users": [{"name": "tenure-dev", "user": user}],
        "contexts": [{"name": "tenure-dev", "context": {"cluster": "tenure-dev", "user": "tenure-dev"}}],
        "current-context": "tenure-dev",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
