"""Build the image, check it, and write it into a file."""

import fcntl
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenure import __version__
from tenure_dev.errors import ToolError
from tenure_dev.image.archive import complaints, read
from tenure_dev.image.base import choose_base
from tenure_dev.image.engine import Engine, find_engine
from tenure_dev.paths import CHECKOUT, cache_folder

ANYBODY = "1000690000:0"
"""A user as OpenShift chooses one: any number without an entry in /etc/passwd, in root's group."""

ARCHITECTURES = ("amd64", "arm64")
"""The architectures that Tenure is published for."""

_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


def host_architecture() -> str:
    """Return this machine's architecture by the name that images have for it."""
    return _NAMES.get(platform.machine(), platform.machine())


def build_image(archive: Path, *, tag: str | None = None, architecture: str | None = None) -> None:
    """Build the image from the Dockerfile, check what is in it, and write it into an archive.

    Raises `ToolError` if a step fails, or if the image isn't what the chart needs.
    """
    engine = find_engine()
    with _locked():
        _build(engine, archive, tag=tag, architecture=architecture)


@contextmanager
def _locked() -> Iterator[None]:
    """Wait until no other build runs: they have one storage and one name, and each would save the other's image."""
    (cache_folder() / "image").mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "image" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(engine: Engine, archive: Path, *, tag: str | None, architecture: str | None) -> None:
    wanted = architecture or host_architecture()
    image = f"docker.io/library/{tag or f'tenure:{__version__}'}"
    engine.build(
        image,
        CHECKOUT,
        platform=f"linux/{wanted}" if architecture else None,
        arguments={"BASE": choose_base(engine, wanted)},
        labels={"org.opencontainers.image.version": __version__, "org.opencontainers.image.revision": _revision()},
    )
    archive.parent.mkdir(parents=True, exist_ok=True)
    engine.save(image, archive)
    _check(engine, image, archive)


def _check(engine: Engine, image: str, archive: Path) -> None:
    contents = read(archive)
    if found := complaints(contents, __version__):
        raise ToolError("\n".join((f"{image} isn't right:", *found)))
    printed = engine.run(image, ANYBODY, ("tenure", "--version")).strip()
    if printed != f"tenure {__version__}":
        raise ToolError(f"{image} says {printed!r} to `tenure --version`")
    print(f"{image}: {contents.megabytes:.0f} MB, {contents.architecture}, with {engine.name}", file=sys.stderr)


def _revision() -> str:
    """Return the commit, with a mark if files of it were changed."""
    command = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
