"""Read an archive of an image, and say what is wrong with what is in it."""

import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOUND = 250
"""Megabytes that the image may take on a node's disk. A third of them is the Kubernetes client's typed calls."""

SBOM = "app/sbom.cdx.json"
_PROGRAMS = re.compile(r"(usr/)?(local/)?s?bin/(?!python3)[^/]+")
_DISTRIBUTION = re.compile(r"app/lib/python[^/]+/site-packages/([^/]+)-([^/-]+)\.dist-info/METADATA")


@dataclass(frozen=True)
class Contents:
    """What an image is made of."""

    config: Mapping[str, Any]
    """Its configuration: user, environment, entry point and labels."""

    architecture: str

    files: Sequence[tarfile.TarInfo]
    """Its files, folders and links. None hides another one, because the image begins with nothing."""

    sbom: Mapping[str, Any] | None
    """The bill of materials in it."""

    @property
    def megabytes(self) -> float:
        """What its files take, as a node unpacks them."""
        return sum(file.size for file in self.files) / 1e6


def read(archive: Path) -> Contents:
    """Read an archive as `docker save` writes it."""
    with tarfile.open(archive) as outer:
        manifest = json.loads(_member(outer, "manifest.json"))[0]
        image = json.loads(_member(outer, manifest["Config"]))
        files: list[tarfile.TarInfo] = []
        sbom = None
        for name in manifest["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(name)) as layer:
                for member in layer:
                    files.append(member)
                    if member.name == SBOM:
                        sbom = json.loads(_member(layer, SBOM))
    return Contents(image["config"], image["architecture"], files, sbom)


def complaints(contents: Contents, version: str) -> list[str]:
    """Return what is wrong with an image, each as a sentence."""
    return [*_of_config(contents.config, version), *_of_size(contents), *_of_files(contents.files), *_of_sbom(contents)]


def _of_config(config: Mapping[str, Any], version: str) -> Iterator[str]:
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", config.get("User", "")):
        yield f"its user is {config.get('User')!r}, but runAsNonRoot needs a number that isn't 0"
    if not any(variable.startswith("HOME=") for variable in config.get("Env", ())):
        yield "HOME isn't set, so a user without an entry in /etc/passwd has no home folder"
    if config.get("Entrypoint") != ["tenure"]:
        yield f"its entry point is {config.get('Entrypoint')}, but must be the command itself, without a shell"
    labels = config.get("Labels") or {}
    if labels.get("org.opencontainers.image.version") != version:
        yield f"its label says version {labels.get('org.opencontainers.image.version')}, but this is version {version}"


def _of_size(contents: Contents) -> Iterator[str]:
    if contents.megabytes > BOUND:
        yield f"it takes {contents.megabytes:.0f} MB, but at most {BOUND} MB are allowed"


def _of_files(files: Sequence[tarfile.TarInfo]) -> Iterator[str]:
    for file in files:
        if _PROGRAMS.fullmatch(file.name):
            yield f"/{file.name} is in it, but only Python and Tenure's environment belong there"
        if file.issym() or file.islnk():
            continue
        if file.uid or (file.mode & 0o022 and not file.mode & 0o1000):
            yield f"users other than root can change /{file.name}"
        if file.mode & 0o6000:
            yield f"/{file.name} runs with its owner's rights (setuid or setgid)"
        if not file.mode & (0o005 if file.isdir() else 0o004) and file.name.startswith(("app", "usr")):
            yield f"/{file.name} can't be read by a user id of the cluster's choice"


def _of_sbom(contents: Contents) -> Iterator[str]:
    if contents.sbom is None:
        yield f"/{SBOM} is missing"
        return
    known = {(_normal(part["name"]), part["version"]) for part in _parts(contents.sbom)}
    for file in contents.files:
        if (found := _DISTRIBUTION.fullmatch(file.name)) and (_normal(found[1]), found[2]) not in known:
            yield f"{found[1]} {found[2]} is missing in /{SBOM}"


def _parts(sbom: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [sbom["metadata"]["component"], *sbom["components"]]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    """Return the content of a file, or of the file that a link names, because buildah writes each layer only once."""
    stream = archive.extractfile(name)
    return stream.read() if stream else b""
