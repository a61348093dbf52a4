"""A Git server on loopback for Argo CD and Flux: Git's own `http-backend` behind Python's HTTP server."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from support.objects.repository import Body
from support.run.serving import QuietHandler, serving

PLATFORM = "https://git.example.com/platform"
"""The address of the manifests' repositories."""

_IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")


class GitServer:
    """Repositories below one folder, served read-only at a URL."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def repository(self, name: str) -> "GitRepository":
        """Return a repository with the branch main, which is created at its first use."""
        return GitRepository(self.folder / f"{name}.git")

    def moved(self, text: str) -> str:
        """Return a manifest whose repositories are this server's."""
        assert PLATFORM in text
        return text.replace(PLATFORM, self.url)


class GitRepository:
    """A repository with a work tree, to which a test commits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.exists():
            folder.mkdir()
            self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *args: str) -> str:
        """Run Git, without the user's own settings, and return what it prints."""
        command = ["git", *_IDENTITY, *args]
        options: dict[str, Any] = {"cwd": self.folder, "env": _environment(), "text": True}
        return str(subprocess.run(command, check=True, capture_output=True, **options).stdout)

    def write(self, path: str, bodies: Mapping[str, Body]) -> None:
        """Replace a folder by these manifests, by the names of their files."""
        target = self.folder / path
        shutil.rmtree(target, ignore_errors=True)
        for name, body in bodies.items():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(yaml.safe_dump(body, sort_keys=False))

    def commit(self, subject: str) -> str:
        """Commit everything, and return the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", subject)
        return self.git("rev-parse", "HEAD").strip()


@contextmanager
def serve_git(folder: Path) -> Iterator[GitServer]:
    """Create a folder for repositories, and serve them until the block ends."""
    folder.mkdir()

    class Handler(_Backend):
        root = folder

    with serving(Handler) as port:
        yield GitServer(folder, f"http://127.0.0.1:{port}")


class _Backend(QuietHandler):
    """Hands a request to `git http-backend` by the rules of CGI."""

    root: Path
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        url = urlsplit(self.path)
        environment = _environment() | {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self._body()
        answer = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        ).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().splitlines() if ": " in line]
        code = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
        self.send_response(code)
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
