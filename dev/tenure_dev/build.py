"""Get programs of pinned versions once, as a download or from their Go modules. Later runs use the cache."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tenure_dev.binaries import CONTROL_PLANE, Binaries, find
from tenure_dev.download import downloaded
from tenure_dev.errors import ToolError
from tenure_dev.gomodule import GoModule
from tenure_dev.paths import cache_folder
from tenure_dev.processes import dies_with_parent
from tenure_dev.progress import Report, report
from tenure_dev.toolchain import Toolchain, find_toolchain, go_cache

LOG_LINES = 12
"""Number of log lines that an error shows."""


def find_or_build() -> Binaries:
    """Return the control plane's programs, and build them first if they aren't there. Progress goes to stderr.

    Raises `ToolError` if `KUBEBUILDER_ASSETS` is incomplete, or if downloading or building fails.
    """
    return find() or Binaries(built(CONTROL_PLANE))


def built(module: GoModule) -> Path:
    """Return the folder of a module's programs, and build them first if they aren't there.

    Raises `ToolError` if downloading or building fails.
    """
    build_together(module)
    return module.folder


def build_together(*modules: GoModule) -> None:
    """Build the modules whose programs aren't there, in one run, so that packages they share are compiled once.

    Raises `ToolError` if downloading or building fails.
    """
    if not _missing(modules):
        return
    cache_folder().mkdir(parents=True, exist_ok=True)
    # All modules have one lock, because they share Go's caches, and each run removes these at its end.
    with report() as progress, _locked(cache_folder() / "go.lock", modules[0], progress):
        # Another run may have built some of them while this one waited.
        for module in _missing(modules):
            module.folder.parent.mkdir(parents=True, exist_ok=True)
            _build(module, progress)
        # The cache has some gigabytes. It helps only to resume an interrupted build, because new pins compile almost
        # everything again.
        shutil.rmtree(go_cache(), ignore_errors=True)


def _missing(modules: Iterable[GoModule]) -> list[GoModule]:
    return [module for module in modules if module.missing(module.folder)]


@contextmanager
def _locked(path: Path, module: GoModule, progress: Report) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.step(f"{module.name}: waiting for another run that is building")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(module: GoModule, progress: Report) -> None:
    if downloaded(module, progress):
        return
    progress.step(f"{module.name}: looking for Go")
    toolchain = find_toolchain(module.go)
    partial = module.folder.with_name(module.folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    with (module.folder.parent / "build.log").open("w") as log:
        build = _Build(module, toolchain, log, progress)
        build.plan()
        for program, package in module.programs.items():
            build.compile(program, package, partial / program)
        for name, (source, path) in module.files.items():
            build.copy(source, path, partial / name)
    partial.rename(module.folder)


class _Build:
    def __init__(self, module: GoModule, toolchain: Toolchain, log: TextIO, progress: Report) -> None:
        self._module = module
        self._toolchain = toolchain
        self._flags = module.build_flags
        self._log = log
        self._progress = progress
        self._downloads = 0
        self._done = 0
        self._total = 0
        self._about = ""

    def plan(self) -> None:
        """Download the Go modules and count the packages that are still to be compiled."""
        self._progress.step(f"{self._module.name}: downloading its Go modules")
        form = "{{.ImportPath}}\t{{.Stale}}\t{{.StaleReason}}"
        command = ["list", "-deps", *self._flags, "-f", form, *self._module.programs.values()]
        packages = self._go(command, "downloading the Go modules", self._downloading).splitlines()
        self._total = sum(map(_is_stale, packages))
        share = self._total / max(len(packages), 1)
        minutes = round(self._module.core_minutes * share / (os.cpu_count() or 1))
        self._about = f" (about {minutes} min)" if minutes else ""

    def compile(self, program: str, package: str, target: Path) -> None:
        """Compile one program."""
        self._progress.step(f"{self._module.name}: compiling {program}, once{self._about}")
        command = ["build", "-v", *self._flags, "-o", str(target), package]
        self._go(command, f"compiling {program}", self._compiling)

    def copy(self, source: str, path: str, target: Path) -> None:
        """Copy a file or folder of a Go module that the programs are built from."""
        found = self._go(["list", "-m", "-f", "{{.Dir}}", source], f"looking for {source}", self._downloading)
        original = Path(found.strip()) / path
        (shutil.copytree if original.is_dir() else shutil.copyfile)(original, target)

    def _downloading(self, line: str) -> None:
        if line.startswith("go: downloading "):
            self._downloads += 1
            self._progress.advance(self._downloads, None)

    def _compiling(self, line: str) -> None:
        # `go build -v` prints the path of each package when it compiles it.
        if re.fullmatch(r"[\w.~/-]+", line):
            self._done += 1
            self._progress.advance(min(self._done, self._total), self._total)

    def _go(self, arguments: list[str], what: str, on_line: Callable[[str], None]) -> str:
        """Run go, hand each line of its stderr to the log and to `on_line`, and return its stdout."""
        with (
            tempfile.TemporaryFile("w+") as output,
            subprocess.Popen(
                [self._toolchain.go, *arguments],
                cwd=self._module.source,
                env=self._toolchain.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=dies_with_parent(),  # noqa: PLW1509  (see there)
            ) as process,
        ):
            for line in process.stderr or ():
                self._log.write(line)
                self._log.flush()
                on_line(line.rstrip("\n"))
            if process.wait() != 0:
                raise self._failure(what)
            output.seek(0)
            return output.read()

    def _failure(self, what: str) -> ToolError:
        path = Path(self._log.name)
        last = "\n".join(path.read_text().splitlines()[-LOG_LINES:])
        return ToolError(f"{self._module.name}: {what} failed. The whole log: {path}\nIts last lines:\n{last}")


def _is_stale(listed: str) -> bool:
    # Go calls a program stale if it isn't installed. It never is here, so that alone means no work.
    _, stale, reason = listed.split("\t")
    return stale == "true" and not reason.startswith("not installed but")
