"""What is wrong with an image, told from the archive of it, and where its base comes from."""

import io
import json
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tenure_dev.errors import ToolError
from tenure_dev.image import archive, base, engine
from tenure_dev.image.archive import SBOM, complaints, read
from tenure_dev.paths import CHECKOUT
from tenure_dev.web import NoAnswerError

VERSION = "1.2.3"
PACKAGES = "app/lib/python3.13/site-packages"


def tar(files: Mapping[str, bytes], modes: Mapping[str, int], *, uid: int = 0) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as result:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid = len(content), modes.get(name, 0o644), uid
            result.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@dataclass
class Image:
    """An image without a fault, which a row spoils."""

    config: dict[str, Any] = field(
        default_factory=lambda: {
            "User": "65532:65532",
            "Env": ["HOME=/nonexistent"],
            "Entrypoint": ["tenure"],
            "Labels": {"org.opencontainers.image.version": VERSION},
        }
    )
    files: dict[str, bytes] = field(
        default_factory=lambda: {
            "usr/bin/python3.13": b"ELF",
            "usr/local/bin/python3": b"ELF",
            "app/bin/tenure": b"#!",
            f"{PACKAGES}/tenure-{VERSION}.dist-info/METADATA": b"",
            f"{PACKAGES}/prometheus_client-0.26.0.dist-info/METADATA": b"",
        }
    )
    components: list[dict[str, str]] = field(
        default_factory=lambda: [{"name": "prometheus-client", "version": "0.26.0"}]
    )
    modes: dict[str, int] = field(default_factory=dict)
    uid: int = 0
    has_sbom: bool = True

    def write(self, path: Path) -> Path:
        """Write it in two layers, as `docker save` and buildah do."""
        sbom = {"metadata": {"component": {"name": "tenure", "version": VERSION}}, "components": self.components}
        more = {SBOM: json.dumps(sbom).encode()} if self.has_sbom else {}
        layers = {
            "one.tar": tar(self.files, self.modes, uid=self.uid),
            "two.tar": tar(more, {}),
        }
        config = {"architecture": "arm64", "config": self.config}
        manifest = [{"Config": "config.json", "RepoTags": ["tenure:1"], "Layers": list(layers)}]
        outer = {"config.json": json.dumps(config), "manifest.json": json.dumps(manifest)}
        path.write_bytes(tar(layers | {name: text.encode() for name, text in outer.items()}, {}))
        return path


def test_an_image_without_a_fault(tmp_path: Path) -> None:
    contents = read(Image().write(tmp_path / "image.tar"))

    assert complaints(contents, VERSION) == []
    assert contents.architecture == "arm64"


Spoil = Callable[[Image], object]
ROWS: list[tuple[str, Spoil, str]] = [
    ("a user by name", lambda image: image.config.update(User="tenure"), "its user is 'tenure'"),
    ("root", lambda image: image.config.update(User="0:0"), "its user is '0:0'"),
    ("no user", lambda image: image.config.pop("User"), "its user is None"),
    ("no home", lambda image: image.config.update(Env=["PATH=/app/bin"]), "HOME isn't set"),
    ("a shell as entry point", lambda image: image.config.update(Entrypoint=["sh", "-c", "tenure"]), "entry point"),
    ("another version", lambda image: image.config.update(Labels={}), "version None, but this is version 1.2.3"),
    ("a shell", lambda image: image.files.update({"usr/bin/dash": b"ELF"}), "/usr/bin/dash is in it"),
    ("pip", lambda image: image.files.update({"usr/local/bin/pip3": b"#!"}), "/usr/local/bin/pip3 is in it"),
    ("a compiler", lambda image: image.files.update({"usr/bin/gcc": b"ELF"}), "/usr/bin/gcc is in it"),
    ("a shell before merged folders", lambda image: image.files.update({"bin/sh": b"ELF"}), "/bin/sh is in it"),
    ("another owner", lambda image: setattr(image, "uid", 65532), "users other than root can change /app"),
    ("writable", lambda image: image.modes.update({"app/bin/tenure": 0o777}), "can change /app/bin/tenure"),
    ("private", lambda image: image.modes.update({"app/bin/tenure": 0o750}), "/app/bin/tenure can't be read"),
    ("setuid", lambda image: image.modes.update({"usr/bin/python3.13": 0o4755}), "its owner's rights"),
    ("no bill", lambda image: setattr(image, "has_sbom", False), f"/{SBOM} is missing"),
    ("not in the bill", lambda image: image.components.clear(), "prometheus_client 0.26.0 is missing"),
    (
        "another version than in the bill",
        lambda image: image.components[0].update(version="0.25.0"),
        "prometheus_client 0.26.0 is missing",
    ),
]


@pytest.mark.parametrize(("spoil", "complaint"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_fault_is_told(tmp_path: Path, spoil: Spoil, complaint: str) -> None:
    image = Image()
    spoil(image)

    found = complaints(read(image.write(tmp_path / "image.tar")), VERSION)

    assert any(complaint in each for each in found), found


@pytest.mark.parametrize("size", [999_000, 1_001_000])
def test_an_image_has_a_bound(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int) -> None:
    assert 200 <= archive.BOUND <= 250
    monkeypatch.setattr(archive, "BOUND", 1)
    image = Image()
    image.files["app/large"] = bytes(size)

    found = complaints(read(image.write(tmp_path / "image.tar")), VERSION)

    assert found == ([] if size < 1e6 else ["it takes 1 MB, but at most 1 MB are allowed"])


class Here(engine.Docker):
    """An engine that has some images and builds none."""

    def __init__(self, *images: str) -> None:
        self.images = images

    def has(self, image: str, architecture: str) -> bool:
        return architecture == "amd64" and image in self.images


DEBIAN = "localhost/tenure-base:trixie-python3.13-amd64"
OFFICIAL = "docker.io/library/python:3.13-slim"


def answers(status: int | None) -> Callable[[str], tuple[int, bytes]]:
    def answer(url: str) -> tuple[int, bytes]:
        if status is None:
            raise NoAnswerError(f"no answer from {url}")
        return status, b""

    return answer


@pytest.mark.parametrize(
    ("chosen", "images", "status", "expected"),
    [
        ("registry", [DEBIAN], None, OFFICIAL),
        ("debian", [DEBIAN, OFFICIAL], 401, DEBIAN),
        ("auto", [DEBIAN, OFFICIAL], None, OFFICIAL),
        ("auto", [DEBIAN], 401, OFFICIAL),
        ("auto", [DEBIAN], 403, DEBIAN),
        ("auto", [DEBIAN], None, DEBIAN),
        ("", [DEBIAN], None, DEBIAN),
    ],
)
def test_the_base_is_the_official_image_where_it_can_be_had(
    monkeypatch: pytest.MonkeyPatch, chosen: str, images: list[str], status: int | None, expected: str
) -> None:
    monkeypatch.setenv(base.VARIABLE, chosen)
    monkeypatch.setattr(base, "answer", answers(status))

    assert base.choose_base(Here(*images), "amd64") == expected


def test_another_base_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(base.VARIABLE, "alpine")

    with pytest.raises(ToolError, match="can be auto, registry or debian"):
        base.choose_base(Here(), "amd64")


def test_without_mmdebstrap_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(base.VARIABLE, "debian")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ToolError, match="apt-get install mmdebstrap"):
        base.choose_base(Here(), "amd64")


def program(folder: Path, name: str, status: int) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\nexit {status}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("docker", "buildah", "expected"),
    [
        (0, 0, "docker"),
        (0, None, "docker"),
        (1, 0, "buildah"),
        (None, 0, "buildah"),
        (1, None, None),
        (None, None, None),
    ],
)
def test_docker_counts_only_if_its_daemon_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, docker: int | None, buildah: int | None, expected: str | None
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, status in (("docker", docker), ("buildah", buildah)):
        if status is not None:
            program(tmp_path, name, status)

    if expected is None:
        with pytest.raises(ToolError, match="apt-get install buildah mmdebstrap"):
            engine.find_engine()
    else:
        assert engine.find_engine().name == expected


def test_a_home_and_a_version_of_python_are_in_the_dockerfile() -> None:
    text = (CHECKOUT / "Dockerfile").read_text()

    assert base.python_version() == "3.13"
    assert re.search(r"^ENV HOME=/nonexistent\b", text, re.MULTILINE)
    assert f"python{base.python_version()}" in base.packages()
