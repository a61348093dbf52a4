"""Official programs from a local server, and every way in which a download ends otherwise."""

import contextlib
import hashlib
import io
import os
import platform
import re
import socket
import ssl
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest
import trustme

from support.run.serving import QuietHandler, serving
from tenure_dev import download, web
from tenure_dev.binaries import CONTROL_PLANE
from tenure_dev.download import VARIABLE, downloaded, sources
from tenure_dev.errors import ToolError
from tenure_dev.operator import TOOL_VARIABLES
from tenure_dev.paths import CHECKOUT
from tenure_dev.tools import TOOLS

KUBERNETES, ETCD = CONTROL_PLANE.version, CONTROL_PLANE.version_of("go.etcd.io/etcd/server/v3")
BINARIES = f"/release/{KUBERNETES}/bin/linux/amd64"
ETCD_FOLDER, ETCD_NAME = f"/etcd/{ETCD}", f"etcd-{ETCD}-linux-amd64"


def etcd_archive(program: str = f"{ETCD_NAME}/etcd") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo(program)
        member.size = len(b"etcd")
        archive.addfile(member, io.BytesIO(b"etcd"))
    return stream.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Mirror:
    """A server with the official files, which a row spoils, and a proxy at once: it looks at the path only."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.short: set[str] = set()
        """Files that end before their length."""
        self.silent: set[str] = set()
        """Files that stop without an end."""
        self.refuses = False
        self.asked: list[str] = []
        self.over = threading.Event()
        for program in CONTROL_PLANE.programs:
            if program != "etcd":
                self.files[f"{BINARIES}/{program}"] = program.encode()
                self.files[f"{BINARIES}/{program}.sha256"] = sha256(program.encode()).encode()
        self.put_etcd(etcd_archive())

    def put_etcd(self, archive: bytes) -> None:
        self.files[f"{ETCD_FOLDER}/{ETCD_NAME}.tar.gz"] = archive
        lines = [f"{'0' * 64}  etcd-{ETCD}-linux-arm64.tar.gz", f"{sha256(archive)}  {ETCD_NAME}.tar.gz"]
        self.files[f"{ETCD_FOLDER}/SHA256SUMS"] = "\n".join(lines).encode()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        self.asked.append(path)
        content = self.files.get(path)
        request.close_connection = True
        if self.refuses or content is None:
            request.send_error(403 if self.refuses else 404)
        elif target := self.redirects.get(path):
            request.send_response(302)
            request.send_header("Location", target)
            request.end_headers()
        else:
            cut = path in self.short | self.silent
            request.send_response(200)
            request.send_header("Content-Length", str(len(content) + cut))
            request.end_headers()
            request.wfile.write(content)
            if path in self.silent:
                self.over.wait(30)


@contextlib.contextmanager
def mirroring(mirror: Mirror, context: ssl.SSLContext | None = None) -> Iterator[str]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            mirror.answer(self)

        def do_CONNECT(self) -> None:
            mirror.answer(self)

    with serving(Handler, context) as port:
        try:
            yield f"{'https' if context else 'http'}://localhost:{port}"
        finally:
            mirror.over.set()


class Told:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def step(self, text: str) -> None:
        pass

    def say(self, text: str) -> None:
        self.lines.append(text)

    def advance(self, done: int, total: int | None) -> None:
        pass


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBEBUILDER_ASSETS", VARIABLE, "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in (
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ):  # Each request reads all authorities, which takes a tenth of a second.
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("TENURE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "SILENT", set())
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    CONTROL_PLANE.folder.parent.mkdir(parents=True)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    mirror = Mirror()
    with mirroring(mirror) as url:
        use(monkeypatch, url)
        yield mirror


def use(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(download, "KUBERNETES", f"{url}/release")
    monkeypatch.setattr(download, "ETCD", f"{url}/etcd")


def reason() -> str:
    """Return why nothing is downloaded, and see that nothing is left of it."""
    told = Told()
    assert not downloaded(CONTROL_PLANE, told)
    assert list(CONTROL_PLANE.folder.parent.iterdir()) == []
    (line,) = told.lines
    assert line.startswith("control plane: ")
    assert line.endswith(". So it is compiled from source")
    return line


@pytest.mark.usefixtures("mirror")
def test_right_files_are_programs_in_the_cache() -> None:
    told = Told()

    assert downloaded(CONTROL_PLANE, told)

    assert told.lines == [f"control plane: downloaded {KUBERNETES} from {download.ETCD.split('/')[2]}"]
    assert CONTROL_PLANE.missing(CONTROL_PLANE.folder) == []
    files = {file.name: file.read_text() for file in CONTROL_PLANE.folder.iterdir()}
    assert files == {program: program for program in CONTROL_PLANE.programs}


KUBECTL = f"{BINARIES}/kubectl"
Spoil = Callable[[Mirror], object]
ROWS: list[tuple[str, Spoil, str]] = [
    ("another file", lambda m: m.files.update({KUBECTL: b"other"}), "isn't the file that .*/kubectl.sha256 names"),
    ("another archive", lambda m: m.files.update({f"{ETCD_FOLDER}/{ETCD_NAME}.tar.gz": b"x"}), "SHA256SUMS names"),
    ("an archive without etcd", lambda m: m.put_etcd(etcd_archive("README")), f"has no file {ETCD_NAME}/etcd"),
    ("no archive", lambda m: m.put_etcd(b"not gzip"), "not a gzip file|could not be opened"),
    ("a truncated file", lambda m: m.short.add(KUBECTL), "kubectl ended after 7 of 8 bytes"),
    ("a file that stops", lambda m: m.silent.add(KUBECTL), "timed out"),
    ("a missing file", lambda m: m.files.pop(KUBECTL), "kubectl: HTTP Error 404"),
    ("a missing checksum", lambda m: m.files.pop(f"{KUBECTL}.sha256"), "kubectl.sha256 answers with 404"),
    ("a page to log in", lambda m: m.files.update({f"{KUBECTL}.sha256": b"<html>"}), "has no checksum for"),
    (
        "only another architecture",
        lambda m: m.files.update({f"{ETCD_FOLDER}/SHA256SUMS": f"{'0' * 64}  etcd-{ETCD}-linux-arm64.tar.gz".encode()}),
        "SHA256SUMS has no checksum for",
    ),
    ("a refusal", lambda m: setattr(m, "refuses", True), "answers with 403"),
]


@pytest.mark.parametrize(("spoil", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_after_a_fault_it_is_compiled_instead(
    monkeypatch: pytest.MonkeyPatch, mirror: Mirror, spoil: Spoil, expected: str
) -> None:
    monkeypatch.setattr(download, "STALL", 0.2)
    spoil(mirror)

    assert re.search(expected, reason())


@pytest.mark.usefixtures("mirror")
def test_a_download_that_takes_longer_than_compiling_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "LIMIT", -1.0)

    assert "the download took longer than" in reason()


def test_who_chose_a_download_gets_an_error_instead(monkeypatch: pytest.MonkeyPatch, mirror: Mirror) -> None:
    monkeypatch.setenv(VARIABLE, "download")
    mirror.files[KUBECTL] = b"other"

    with pytest.raises(ToolError, match=r"isn't the file .* TENURE_CONTROL_PLANE=build compiles it"):
        downloaded(CONTROL_PLANE, Told())


def test_who_chose_to_build_asks_nobody(monkeypatch: pytest.MonkeyPatch, mirror: Mirror) -> None:
    monkeypatch.setenv(VARIABLE, "build")

    assert not downloaded(CONTROL_PLANE, Told())
    assert mirror.asked == []


def test_there_are_three_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "fetch")

    with pytest.raises(ToolError, match="can be auto, download or build"):
        downloaded(CONTROL_PLANE, Told())


def test_a_server_that_accepts_and_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")

        assert re.search("no answer from|timed out", reason())


def test_a_name_server_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing interrupts it, and no timeout of a connection counts: it hangs as long as the test wants."""
    over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        over.wait(30)
        raise OSError("over")

    monkeypatch.setattr(web, "PATIENCE", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    use(monkeypatch, "https://downloads.example.com")
    try:
        assert re.search(r"no answer from \S+ within 0.2 s", reason())
    finally:
        over.set()


def test_only_the_first_module_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        reason()
        silent.settimeout(5)
        connections = [silent.accept()[0] for _ in CONTROL_PLANE.programs]

        assert "there was no answer before from 127.0.0.1" in reason()
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.accept()
        for connection in connections:
            connection.close()


def test_a_name_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    use(monkeypatch, "https://downloads.example.com")

    assert "Name or service not known" in reason()


def test_a_proxy_takes_it_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with mirroring(Mirror()) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        use(monkeypatch, "http://downloads.example.com")

        assert downloaded(CONTROL_PLANE, Told())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    mirror = Mirror()
    mirror.refuses = True
    with mirroring(mirror) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", proxy)
        use(monkeypatch, f"{scheme}://downloads.example.com")

        assert "403" in reason()


def test_a_redirect_that_gives_up_encryption_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    secure = Mirror()
    with mirroring(Mirror()) as plain, mirroring(secure, context) as url:
        use(monkeypatch, url)
        secure.redirects[KUBECTL] = f"{plain}{KUBECTL}"

        assert "isn't encrypted" in reason()


def test_each_program_has_its_official_address() -> None:
    published = sources(CONTROL_PLANE)

    assert published is not None
    addresses = {source.program: (source.url, source.checksums) for source in published}
    assert addresses.keys() == CONTROL_PLANE.programs.keys()
    kubectl = f"https://dl.k8s.io/release/{KUBERNETES}/bin/linux/amd64/kubectl"
    etcd = f"https://github.com/etcd-io/etcd/releases/download/{ETCD}"
    assert addresses["kubectl"] == (kubectl, f"{kubectl}.sha256")
    assert addresses["etcd"] == (f"{etcd}/{ETCD_NAME}.tar.gz", f"{etcd}/SHA256SUMS")


def test_more_programs_of_kubernetes_need_no_more_than_their_package() -> None:
    node = replace(CONTROL_PLANE, programs={"kubelet": "k8s.io/kubernetes/cmd/kubelet"})

    assert [source.url for source in sources(node) or ()] == [
        f"https://dl.k8s.io/release/{KUBERNETES}/bin/linux/amd64/kubelet"
    ]


def test_the_architecture_is_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    published = sources(CONTROL_PLANE)

    assert published is not None
    assert all("arm64" in source.url for source in published)


def test_others_programs_and_other_systems_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources(TOOLS) is None

    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert sources(CONTROL_PLANE) is None


def test_the_operator_gets_no_variable_of_the_tools() -> None:
    read = {
        name
        for path in (CHECKOUT / "dev" / "tenure_dev").rglob("*.py")
        for name in re.findall(r'(?:VARIABLE = |environ\.get\()"(TENURE_\w+)"', path.read_text())
    }
    assert read
    assert all(name.startswith(TOOL_VARIABLES) for name in read)
