"""Build the parts of a release, and try those that can be tried."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tenure import __version__
from tenure_dev.chart import CHART
from tenure_dev.errors import ToolError
from tenure_dev.image.build import ARCHITECTURES, build_image, host_architecture
from tenure_dev.paths import CHECKOUT
from tenure_dev.release.krew import write_plugin
from tenure_dev.release.layout import write_layout
from tenure_dev.tools import Tools

CHECKSUMS = "SHA256SUMS"
EMULATORS = Path("/proc/sys/fs/binfmt_misc")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def build_release(folder: Path, *, images: bool = True) -> list[Path]:
    """Write all files of a release into an empty folder, and return them.

    Raises `ToolError` if a step fails, or if something in the release doesn't work.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ToolError(
            f"{folder} isn't empty, and what is in it would look like a part of the release. Remove it first"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_packages(folder)
    try_pipx(*_only(folder, "*.whl"))
    try_plugin(*write_plugin(folder, *_only(folder, "*.whl")))
    _chart(folder)
    shutil.copy(CHECKOUT / "manifests" / "install.yaml", folder)
    _uv(
        "export",
        "--quiet",
        "--locked",
        "--no-dev",
        "--format=cyclonedx1.5",
        f"--output-file={_named(folder, 'cdx.json')}",
    )
    _changes(_named(folder, "changes.md"))
    if images:
        write_images(folder)
    write_checksums(folder)
    return sorted(folder.iterdir())


def emulated(architecture: str) -> bool:
    """Tell whether this machine runs programs of an architecture, so that an image's steps can run."""
    return architecture == host_architecture() or (EMULATORS / f"qemu-{_MACHINES[architecture]}").exists()


def write_packages(folder: Path) -> None:
    """Build wheel and sdist, and install each of them in an empty environment."""
    _uv("build", "--quiet", "--no-create-gitignore", f"--out-dir={folder}")
    for package in _only(folder, "*.whl", "*.tar.gz"):
        with TemporaryDirectory() as scratch:
            places = {"UV_TOOL_DIR": f"{scratch}/tools", "UV_TOOL_BIN_DIR": f"{scratch}/bin"}
            _uv("tool", "install", "--quiet", str(package), **places)
            _check_answers(package, Path(scratch, "bin"))


def try_pipx(wheel: Path) -> None:
    """Install a wheel by pipx, which uv runs without installing it."""
    with TemporaryDirectory() as scratch:
        places = {"PIPX_HOME": f"{scratch}/home", "PIPX_BIN_DIR": f"{scratch}/bin", "PIPX_MAN_DIR": f"{scratch}/man"}
        path = f"{Path(uv()).parent}{os.pathsep}{os.environ['PATH']}"  # pipx looks for uv there only.
        _uv("tool", "run", "pipx", "install", "--quiet", "--backend=uv", str(wheel), PATH=path, **places)
        _check_answers(wheel, Path(scratch, "bin"))


def try_plugin(archive: Path, manifest: Path) -> None:
    """Install the plugin as krew does: unpack the archive whose checksum the manifest has, and link to its program."""
    (platform, *_) = yaml.safe_load(manifest.read_text())["spec"]["platforms"]
    if hashlib.sha256(archive.read_bytes()).hexdigest() != platform["sha256"]:
        raise ToolError(f"{manifest.name} doesn't have the checksum of {archive.name}")
    with TemporaryDirectory() as scratch, tarfile.open(archive) as tar:
        tar.extractall(Path(scratch, "store"), filter="data")
        link = Path(scratch, platform["bin"])
        link.symlink_to(Path("store", platform["bin"]))
        path = f"{Path(uv()).parent}{os.pathsep}{os.defpath}"
        _check_answer(archive, link, {**os.environ, "PATH": path, "UV_TOOL_DIR": f"{scratch}/tools"})


def _check_answers(package: Path, programs: Path) -> None:
    for program in ("tenure", "kubectl-tenure"):
        _check_answer(package, programs / program, {})


def _check_answer(package: Path, program: Path, environment: dict[str, str]) -> None:
    printed = _run(str(program), "--version", environment=environment).strip()
    expected = f"{program.name.replace('-', ' ')} {__version__}"
    if printed != expected:
        raise ToolError(f"{package.name} is installed, and `{program.name} --version` says {printed!r}")


def _chart(folder: Path) -> None:
    _run(str(Tools.find_or_build().helm), "package", str(CHART), "--destination", str(folder))
    (chart,) = _only(folder, "*.tgz")
    write_layout(chart, folder / f"tenure-chart-{__version__}.oci.tar")


def _changes(target: Path) -> None:
    """Write the release's section of the changelog, from the fragments unless `scriv collect` has moved them there."""
    collected = [] if any((CHECKOUT / "changelog.d").glob("*.md")) else ["--version", __version__]
    _run(sys.executable, "-m", "scriv", "print", *collected, "--output", str(target))


def write_images(folder: Path) -> None:
    """Build the image for each architecture that this machine runs."""
    for architecture in ARCHITECTURES:
        if not emulated(architecture):
            print(
                f"image: not for {architecture}, because this machine can't run its programs. Register qemu-user for "
                "it (on Debian and Ubuntu: apt-get install qemu-user-static), or make the release there",
                file=sys.stderr,
            )
            continue
        archive = folder / f"tenure-image-{__version__}-{architecture}.tar"
        build_image(archive, architecture=architecture)
        with archive.open("rb") as plain, gzip.open(f"{archive}.gz", "wb", compresslevel=6) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        archive.unlink()


def write_checksums(folder: Path) -> None:
    """Write the file that `sha256sum --check` reads."""
    lines = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    (folder / CHECKSUMS).write_text("".join(lines))


def _named(folder: Path, ending: str) -> Path:
    return folder / f"tenure-{__version__}.{ending}"


def _only(folder: Path, *patterns: str) -> list[Path]:
    found = [list(folder.glob(pattern)) for pattern in patterns]
    if any(len(each) != 1 for each in found):
        raise ToolError(f"{folder} should have one file for each of {', '.join(patterns)}")
    return [path for each in found for path in each]


def uv() -> str:
    """Return the path of uv. Raises `ToolError` if there is none."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        raise ToolError("uv is neither on PATH nor named by UV. Run `make release`, which installs it")
    return found


def _uv(*arguments: str, **environment: str) -> str:
    return _run(uv(), *arguments, environment={**os.environ, **environment})


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    """Run a command in the checkout, and return its stdout. Raises `ToolError` with its messages if it fails."""
    result = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ToolError(f"`{' '.join(command)}` failed:\n{(result.stderr + result.stdout).strip()}")
    return result.stdout


def summary(files: Iterable[Path]) -> str:
    """Return a line for each file, with its size."""
    return "\n".join(f"{path.stat().st_size / 1e6:8.1f} MB  {path.name}" for path in files)
