"""The parts of a release that need no tool."""

import gzip
import hashlib
import platform
from pathlib import Path

import pytest

from tenure import __version__
from tenure_dev.errors import ToolError
from tenure_dev.release import build


def test_what_is_in_the_folder_would_look_like_a_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "tenure-0.0.9.tgz").touch()

    with pytest.raises(ToolError, match="isn't empty"):
        build.build_release(tmp_path)


@pytest.mark.parametrize(
    "row",
    [
        ("x86_64", [], ["amd64"]),
        ("aarch64", [], ["arm64"]),
        ("x86_64", ["qemu-aarch64"], ["amd64", "arm64"]),
        ("x86_64", ["qemu-arm", "register"], ["amd64"]),
        ("riscv64", [], []),
    ],
)
def test_there_is_an_image_for_each_architecture_that_runs_here(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    row: tuple[str, list[str], list[str]],
) -> None:
    machine, emulators, expected = row
    registered, folder = tmp_path / "binfmt", tmp_path / "dist"
    for path in (registered, folder):
        path.mkdir()
    for name in emulators:
        (registered / name).touch()

    def build_image(archive: Path, *, architecture: str) -> None:
        archive.write_text(f"an image for {architecture}")

    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(build, "EMULATORS", registered)
    monkeypatch.setattr(build, "build_image", build_image)

    build.write_images(folder)

    files = {path.name: gzip.decompress(path.read_bytes()).decode() for path in folder.iterdir()}
    assert files == {f"tenure-image-{__version__}-{each}.tar.gz": f"an image for {each}" for each in expected}
    told = capsys.readouterr().err
    assert [each for each in ("amd64", "arm64") if f"not for {each}" not in told] == expected


def test_the_checksums_are_what_sha256sum_reads(tmp_path: Path) -> None:
    (tmp_path / "b.tgz").write_bytes(b"b")
    (tmp_path / "a.whl").write_bytes(b"a")

    build.write_checksums(tmp_path)

    a, b = (hashlib.sha256(content).hexdigest() for content in (b"a", b"b"))
    assert (tmp_path / "SHA256SUMS").read_text() == f"{a}  a.whl\n{b}  b.tgz\n"


def test_a_package_that_does_not_answer_stops_the_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def uv(*arguments: str, **environment: str) -> str:
        if arguments[0] == "build":
            (tmp_path / "tenure.whl").touch()
            (tmp_path / "tenure.tar.gz").touch()
        else:
            program = Path(environment["UV_TOOL_BIN_DIR"], "tenure")
            program.parent.mkdir()
            program.write_text("#!/bin/sh\necho tenure 0.0.0\n")
            program.chmod(0o755)
        return ""

    monkeypatch.setattr(build, "_uv", uv)

    with pytest.raises(ToolError, match=r"tenure.whl is installed, and `tenure --version` says 'tenure 0.0.0'"):
        build.write_packages(tmp_path)
