"""The keys that sign the links of invitations: files of a Secret that you make, and the command that makes one.

Each file holds a key in base64. The last one by name is the newest, and signs. All of them verify, so a link lives on
after a new key was added. Tenure never makes a key by itself: a chart that is rendered anew at each sync would replace
it, and every link would die.
"""

import asyncio
import base64
import binascii
import logging
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tenure.domain.invitations.links import KEY_BYTES, SigningKey
from tenure.errors import StartRefusedError

log = logging.getLogger("tenure.mail")

SECRET_NAME = "tenure-mail-signing"  # noqa: S105 - a name
"""The Secret's name, unless you choose another one."""

READ_SECONDS = 10.0
"""Pause between two looks at the files. The kubelet itself takes about a minute to renew them."""

_LARGEST_FILE = 4096
_MAKE_ONE = f"Make a key with: tenure mail new-key | kubectl create -n tenure-system -f - (Secret {SECRET_NAME})"


class SigningKeys:
    """The signing keys in a folder, the newest first. Call `look` to read them again."""

    def __init__(self, folder: Path) -> None:
        """Read the keys.

        Raises:
            StartRefusedError: there is no usable key, or one of the files isn't a key.
        """
        self._folder = folder
        self._keys = read_keys(folder)

    @property
    def keys(self) -> Sequence[SigningKey]:
        """The keys. The first one signs."""
        return self._keys

    def look(self) -> bool:
        """Read the files again, and return whether the keys changed.

        Raises:
            StartRefusedError: the files can't be used. The keys that were read before stay in use.
        """
        keys = read_keys(self._folder)
        changed, self._keys = keys != self._keys, keys
        return changed

    async def keep(self) -> None:
        """Read the files again and again. Errors are logged, each once."""
        flaw = ""
        while True:
            await asyncio.sleep(READ_SECONDS)
            try:
                if self.look():
                    log.info("Loaded %d signing keys from %s", len(self._keys), self._folder)
                flaw = ""
            except StartRefusedError as error:
                if str(error) != flaw:
                    flaw = str(error)
                    log.warning("The signing keys can't be read now, so the former ones stay in use: %s", flaw)


def read_keys(folder: Path) -> Sequence[SigningKey]:
    """Read all keys of a folder, the newest first.

    Raises:
        StartRefusedError: there is none, or one of the files isn't a key. The text never repeats any of a file.
    """
    try:
        # The kubelet keeps its own files in there, such as `..data`.
        paths = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), reverse=True)
        contents = [(path, _content(path)) for path in paths]
    except OSError as error:
        raise StartRefusedError(f"--signing-keys {folder}: {error.strerror}. {_MAKE_ONE}") from error
    if not contents:
        raise StartRefusedError(f"--signing-keys {folder}: the folder has no key. {_MAKE_ONE}")
    return [_key(path, content) for path, content in contents]


def new_key(now: datetime, namespace: str, name: str = SECRET_NAME) -> str:
    """Return a manifest of a Secret with a new key. It is named after the time, so it sorts behind all others."""
    label = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    data = base64.b64encode(f"{key}\n".encode()).decode()
    return (
        "apiVersion: v1\n"
        "kind: Secret\n"
        "metadata:\n"
        f"  name: {name}\n"
        f"  namespace: {namespace}\n"
        "type: Opaque\n"
        "data:\n"
        f"  {label}: {data}\n"
    )


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST_FILE)


def _key(path: Path, content: bytes) -> SigningKey:
    try:
        return SigningKey(base64.b64decode(content.strip(), validate=True))
    except binascii.Error:
        flaw = "it isn't base64"
    except ValueError as error:
        flaw = str(error)
    raise StartRefusedError(f"--signing-keys {path}: not a usable signing key, because {flaw}. {_MAKE_ONE}")
