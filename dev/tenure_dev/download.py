"""Download the official programs of Kubernetes and etcd, whose checksums their projects publish beside them."""

import hashlib
import os
import platform
import re
import shutil
import tarfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.gomodule import GoModule
from tenure_dev.progress import Report
from tenure_dev.web import NoAnswerError, answer, connect

VARIABLE = "TENURE_CONTROL_PLANE"
KUBERNETES = "https://dl.k8s.io/release"
ETCD = "https://github.com/etcd-io/etcd/releases/download"

STALL = 20.0
"""Seconds without a byte after which a download has failed."""
LIMIT = 600.0
"""Seconds for all files. Longer than that, compiling is faster."""
CHUNK = 1 << 20

SILENT: set[str] = set()
"""Servers of which one didn't answer. No later module waits for them again."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class NotDownloadedError(Exception):
    """The programs couldn't be downloaded. Its text is the reason."""


@dataclass(frozen=True)
class Source:
    """Where a program is published."""

    program: str
    url: str
    """The address of the program, or of the archive with it."""

    checksums: str
    """The address of the page with its SHA-256."""

    member: str | None = None
    """The path of the program in the archive."""


def sources(module: GoModule) -> list[Source] | None:
    """Return where a module's programs are published for this machine, or None if one of them isn't."""
    if platform.system() != "Linux":
        return None
    found = [_source(module, program, package) for program, package in module.programs.items()]
    published = [source for source in found if source is not None]
    return published if len(published) == len(found) else None


def downloaded(module: GoModule, progress: Report) -> bool:
    """Download a module's programs into its folder. Return False if they have to be built instead.

    `$TENURE_CONTROL_PLANE` chooses `download`, `build` or `auto`. With `auto`, which is the default, they are built if
    no server answers within five seconds, or if a file isn't what its checksum says.

    Raises `ToolError` if the download fails and `download` was chosen.
    """
    chosen = os.environ.get(VARIABLE) or "auto"
    if chosen not in {"auto", "build", "download"}:
        raise ToolError(f"{VARIABLE} is {chosen!r}. It can be auto, download or build")
    published = sources(module)
    if published is None or chosen == "build":
        return False
    try:
        _download(module, published, progress)
    except NotDownloadedError as error:
        if chosen == "download":
            raise ToolError(
                f"{module.name}: {error}. {VARIABLE}=build compiles it from source instead, or KUBEBUILDER_ASSETS "
                "names a folder with the programs."
            ) from error
        progress.say(f"{module.name}: {error}. So it is compiled from source")
        return False
    progress.say(f"{module.name}: downloaded {module.version} from {', '.join(_hosts(published))}")
    return True


def _source(module: GoModule, program: str, package: str) -> Source | None:
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    if package == f"k8s.io/kubernetes/cmd/{program}":
        url = f"{KUBERNETES}/{module.version_of('k8s.io/kubernetes')}/bin/linux/{architecture}/{program}"
        return Source(program, url, f"{url}.sha256")
    if program == "etcd" and package.startswith("go.etcd.io/etcd/server/"):
        version = module.version_of(package)
        name = f"etcd-{version}-linux-{architecture}"
        return Source(program, f"{ETCD}/{version}/{name}.tar.gz", f"{ETCD}/{version}/SHA256SUMS", f"{name}/etcd")
    return None


def _hosts(published: Iterable[Source]) -> list[str]:
    return sorted({source.url.split("/")[2] for source in published})


def _download(module: GoModule, published: Iterable[Source], progress: Report) -> None:
    progress.step(f"{module.name}: asking for its checksums")
    checksums = _checksums(published)
    partial = module.folder.with_name(module.folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    deadline = time.monotonic() + LIMIT
    try:
        for source, checksum in checksums.items():
            progress.step(f"{module.name}: downloading {source.program}, once")
            file = partial / f"{source.program}.download"
            if _fetch(source.url, file, deadline, progress) != checksum:
                raise NotDownloadedError(f"{source.url} isn't the file that {source.checksums} names")
            _unpack(source, file, partial / source.program)
        partial.rename(module.folder)
    except (OSError, HTTPException, tarfile.TarError, NoAnswerError) as error:
        raise NotDownloadedError(str(error)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _checksums(published: Iterable[Source]) -> Mapping[Source, str]:
    """Return each program's checksum. All pages are asked for at once, so silence costs five seconds and no more."""
    urls, hosts = {source.checksums for source in published}, _hosts(published)
    if not SILENT.isdisjoint(hosts):
        raise NotDownloadedError(f"there was no answer before from {' or '.join(hosts)}")
    with ThreadPoolExecutor(len(urls)) as pool:
        try:
            pages = dict(zip(urls, pool.map(answer, urls), strict=True))
        except NoAnswerError as error:
            SILENT.update(hosts)
            raise NotDownloadedError(str(error)) from error
    return {source: _checksum(source, *pages[source.checksums]) for source in published}


def _checksum(source: Source, status: int, page: bytes) -> str:
    """Find a checksum in a page that is nothing else, or that has lines of a checksum and a file's name."""
    if status != 200:  # noqa: PLR2004  (the status that means success)
        raise NotDownloadedError(f"{source.checksums} answers with {status}")
    name = re.escape(source.url.rpartition("/")[2])
    found = re.search(rf"^([0-9a-f]{{64}})(?:\s+\*?{name})?\s*$", page.decode(errors="replace"), re.MULTILINE)
    if found is None:
        raise NotDownloadedError(f"{source.checksums} has no checksum for {source.url}")
    return found[1]


def _fetch(url: str, target: Path, deadline: float, progress: Report) -> str:
    """Write what is at an address into a file, and return its SHA-256."""
    digest, done = hashlib.sha256(), 0
    with connect(url, stall=STALL) as response, target.open("wb") as file:
        length = response.length
        while chunk := response.read(CHUNK):
            if time.monotonic() > deadline:
                raise NotDownloadedError(f"the download took longer than {LIMIT:g} s")
            digest.update(chunk)
            file.write(chunk)
            done += len(chunk)
            progress.advance(done, length)
    if length is not None and done < length:
        raise NotDownloadedError(f"{url} ended after {done} of {length} bytes")
    return digest.hexdigest()


def _unpack(source: Source, file: Path, target: Path) -> None:
    if source.member is None:
        file.rename(target)
    else:
        with tarfile.open(file) as archive, target.open("wb") as program:
            try:
                content = archive.extractfile(source.member)
            except KeyError:
                content = None
            if content is None:
                raise NotDownloadedError(f"{source.url} has no file {source.member}")
            shutil.copyfileobj(content, program)
        file.unlink()
    target.chmod(0o755)
