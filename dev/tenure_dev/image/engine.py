"""The two programs that can build an image: docker and buildah."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tenure_dev.errors import ToolError
from tenure_dev.paths import cache_folder

CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
"""Where distributions keep the authorities that the machine trusts: Debian, Fedora, SUSE."""

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


class Engine(Protocol):
    """A program that builds images."""

    name: str

    def has(self, image: str, architecture: str) -> bool:
        """Tell whether an image is here for an architecture, so that it needn't be pulled."""

    def import_root(self, archive: Path, image: str, architecture: str) -> None:
        """Make an image of one tar archive with a root file system."""

    def build(
        self, image: str, folder: Path, *, platform: str | None, arguments: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        """Build an image from the Dockerfile in a folder."""

    def save(self, image: str, archive: Path) -> None:
        """Write an image into a file that `docker load` and `ctr images import` read."""

    def run(self, image: str, user: str, command: Sequence[str]) -> str:
        """Run a command in the image with a read-only root, as a user, and return what it prints."""


class Docker:
    """Builds with Docker's daemon."""

    name = "docker"

    @staticmethod
    def is_there() -> bool:
        """Tell whether there is a daemon that answers: the command alone builds nothing."""
        return bool(shutil.which("docker")) and not _quiet("docker", "version").returncode

    def has(self, image: str, architecture: str) -> bool:
        """Tell whether an image is here for an architecture, so that it needn't be pulled."""
        return _prints(architecture, "docker", "image", "inspect", "--format={{.Architecture}}", image)

    def import_root(self, archive: Path, image: str, architecture: str) -> None:
        """Make an image of one tar archive with a root file system."""
        _run("docker", "import", f"--platform=linux/{architecture}", str(archive), image)

    def build(
        self, image: str, folder: Path, *, platform: str | None, arguments: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        """Build an image from the Dockerfile in a folder."""
        proxies = {name: os.environ[name] for name in PROXIES if name in os.environ}
        _show("docker", "build", *_options(platform, {**proxies, **arguments}, labels), "--tag", image, str(folder))

    def save(self, image: str, archive: Path) -> None:
        """Write an image into a file that `docker load` and `ctr images import` read."""
        _run("docker", "save", "--output", str(archive), image)

    def run(self, image: str, user: str, command: Sequence[str]) -> str:
        """Run a command in the image with a read-only root, as a user, and return what it prints."""
        return _run("docker", "run", "--rm", "--read-only", "--network", "none", "--user", user, image, *command)


class Buildah:
    """Builds with buildah, which needs no daemon, in a storage of its own below the cache folder."""

    name = "buildah"

    def __init__(self) -> None:
        folder = cache_folder() / "image"
        self._buildah = ("buildah", "--root", str(folder / "root"), "--runroot", str(folder / "run"))

    @staticmethod
    def is_there() -> bool:
        """Tell whether buildah is on PATH."""
        return bool(shutil.which("buildah"))

    def has(self, image: str, architecture: str) -> bool:
        """Tell whether an image is here for an architecture, so that it needn't be pulled."""
        form = "--format={{.OCIv1.Architecture}}"
        return _prints(architecture, *self._buildah, "inspect", "--type=image", form, image)

    def import_root(self, archive: Path, image: str, architecture: str) -> None:
        """Make an image of one tar archive with a root file system."""
        container = _run(*self._buildah, "from", "scratch").strip()
        try:
            _run(*self._buildah, "add", "--quiet", container, str(archive), "/")
            _run(*self._buildah, "config", f"--arch={architecture}", container)
            _run(*self._buildah, "commit", "--quiet", container, image)
        finally:
            _run(*self._buildah, "rm", container)

    def build(
        self, image: str, folder: Path, *, platform: str | None, arguments: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        """Build an image from the Dockerfile in a folder.

        The steps see the machine's network, its authorities and uv's cache, and none of these gets into the image.
        """
        volumes = {os.environ.get("UV_CACHE_DIR") or str(cache_folder() / "uv" / "cache"): "/root/.cache/uv"}
        for source in volumes:
            Path(source).mkdir(parents=True, exist_ok=True)
        if authorities := _authorities():
            volumes[authorities] = "/certificates.pem:ro"
            arguments = {**arguments, "SSL_CERT_FILE": "/certificates.pem"}
        mounts = [f"--volume={source}:{target}" for source, target in volumes.items()]
        # It would ask a registry `localhost` for a base that was made here.
        pull = ["--pull=false"] if arguments.get("BASE", "").startswith("localhost/") else []
        _show(
            *self._buildah,
            *(
                "build",
                *pull,
                "--no-cache",
                "--force-rm",
                "--isolation=chroot",
                "--network=host",
                "--format=docker",
                *mounts,
            ),
            *_options(platform, arguments, labels),
            *("--tag", image, str(folder)),
        )
        _run(*self._buildah, "rmi", "--prune")

    def save(self, image: str, archive: Path) -> None:
        """Write an image into a file that `docker load` and `ctr images import` read."""
        archive.unlink(missing_ok=True)
        _run(*self._buildah, "push", "--quiet", image, f"docker-archive:{archive}:{image}")

    def run(self, image: str, user: str, command: Sequence[str]) -> str:
        """Run a command in the image as a user, and return what it prints. The root isn't read-only here."""
        container = _run(*self._buildah, "from", "--pull=false", image).strip()
        try:
            return _run(*self._buildah, "run", "--isolation=chroot", f"--user={user}", container, "--", *command)
        finally:
            _run(*self._buildah, "rm", container)


def find_engine() -> Docker | Buildah:
    """Return Docker if its daemon answers, or else buildah. Raises `ToolError` if neither is there."""
    if Docker.is_there():
        return Docker()
    if Buildah.is_there():
        return Buildah()
    raise ToolError(
        "`make image` found neither Docker with a running daemon nor buildah. Install one of them, for example on "
        "Debian and Ubuntu: apt-get install buildah mmdebstrap"
    )


def _authorities() -> str | None:
    candidates = (os.environ.get("SSL_CERT_FILE", ""), *CERTIFICATES)
    return next((path for path in candidates if path and Path(path).is_file()), None)


def _options(platform: str | None, arguments: Mapping[str, str], labels: Mapping[str, str]) -> list[str]:
    return [
        *([f"--platform={platform}"] if platform else []),
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *(f"--label={name}={value}" for name, value in labels.items()),
    ]


def _quiet(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _prints(text: str, *command: str) -> bool:
    return _quiet(*command).stdout.strip() == text


def _show(*command: str) -> None:
    """Run a command and show all that it says, on stderr. Raises `ToolError` if it fails."""
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
        raise ToolError(f"`{' '.join(command)}` failed. Its messages are above")


def _run(*command: str) -> str:
    """Run a command and return its stdout. Raises `ToolError` with its messages if it fails."""
    result = _quiet(*command)
    if result.returncode:
        raise ToolError(f"`{' '.join(command)}` failed:\n{(result.stderr + result.stdout).strip()}")
    return result.stdout
