"""Write image archives without a tool for images: of one program, and of an image with one more layer."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tenure_dev.errors import ToolError

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(path: Path, program: Path, entrypoint: Sequence[str], *references: str) -> Path:
    """Write an archive in Docker's format whose image has `program` below `/bin`, under all `references`."""
    layer = _tar({f"bin/{program.name}": (program.read_bytes(), 0o755)})
    configuration = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "User": "65535:65535", "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": list(references), "Layers": ["layer.tar"]}]
    files = {
        "config.json": (json.dumps(configuration).encode(), 0o644),
        "layer.tar": (layer, 0o644),
        "manifest.json": (json.dumps(manifest).encode(), 0o644),
    }
    path.write_bytes(_tar(files))
    return path


def layered(path: Path, base: Path, layer: Path, reference: str) -> Path:
    """Write an archive with the image of another archive and one more layer, under another reference."""
    with tarfile.open(base) as image, tarfile.open(path, "w") as target:
        (manifest,) = json.loads(_read(image, "manifest.json"))
        configuration = json.loads(_read(image, manifest["Config"]))
        configuration["rootfs"]["diff_ids"].append(f"sha256:{_digest(layer)}")
        configuration.pop("history", None)  # It would have to name each layer.
        for name in manifest["Layers"]:
            member = image.getmember(name)
            target.addfile(member, image.extractfile(member))
        target.add(layer, "more.tar")
        described = {"Config": "config.json", "RepoTags": [reference], "Layers": [*manifest["Layers"], "more.tar"]}
        for name, content in {"config.json": configuration, "manifest.json": [described]}.items():
            _add(target, name, json.dumps(content).encode(), 0o644)
    return path


def _read(image: tarfile.TarFile, name: str) -> bytes:
    file = image.extractfile(name)
    if file is None:
        raise ToolError(f"the archive of an image has no {name}")
    return file.read()


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, (content, mode) in files.items():
            _add(tar, name, content, mode)
    return target.getvalue()
