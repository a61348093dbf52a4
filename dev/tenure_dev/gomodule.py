"""A pinned Go module whose programs are built once into the cache folder."""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.paths import cache_folder

BUILD_FLAGS = ("-trimpath",)


@dataclass(frozen=True)
class GoModule:
    """A Go module, and the programs that are built from it."""

    name: str
    """Name in messages, such as `control plane`."""

    source: Path
    """The folder of its go.mod."""

    store: str
    """The folder of its programs below the cache folder."""

    programs: Mapping[str, str]
    """Each program and the Go package that it is built from, in building order."""

    named_after: str
    """The required Go module whose version is part of the folder's name."""

    core_minutes: int
    """Minutes that one core of a current server needs to compile everything. Only the estimate in a message uses it."""

    tags: str = ""
    """Build tags, such as those that leave out features."""

    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Files and folders that are copied beside the programs: the name of each, its Go module, and its path there."""

    compile_flags: str = ""
    """Flags of the compiler for all packages, such as those that leave out optimizations."""

    stamps_version: bool = False
    """Whether the version of `named_after` is linked into the programs, as in Kubernetes' own build."""

    @property
    def version(self) -> str:
        """The version of `named_after` in go.mod, such as v1.37.2. Raises `ToolError` if there is none."""
        return self.version_of(self.named_after)

    @property
    def go(self) -> tuple[int, ...]:
        """The oldest Go release that can build it, such as (1, 26, 0). Raises `ToolError` without a `go` line."""
        return tuple(map(int, self._find(r"^go (\d+(?:\.\d+)*)$", "a `go` line").split(".")))

    @property
    def build_flags(self) -> tuple[str, ...]:
        """The flags of `go build`."""
        tags = ("-tags", self.tags) if self.tags else ()
        compiler = (f"-gcflags=all={self.compile_flags}",) if self.compile_flags else ()
        return (*BUILD_FLAGS, *tags, *compiler, "-ldflags", self.link_flags)

    @property
    def link_flags(self) -> str:
        """The linker's flags: no debug information, and the version that the programs report."""
        if not self.stamps_version:
            return "-s -w"
        major, minor, _ = self.version.removeprefix("v").split(".")
        values = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        return " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{k}={v}" for k, v in values.items())])

    @property
    def folder(self) -> Path:
        """The folder of the programs in the cache. Its name has a hash of the pins, the flags and the platform."""
        files = sorted(path for path in self.source.rglob("*") if path.suffix in {".go", ".mod", ".sum"})
        parts = [
            *(path.read_text() for path in files),
            *BUILD_FLAGS,
            self.link_flags,
            *filter(None, [self.tags, self.compile_flags]),
        ]
        parts += [part for name, source in self.files.items() for part in (name, *source)]
        parts += [*self.programs.values(), platform.system(), platform.machine()]
        digest = sha256("\0".join(parts).encode()).hexdigest()[:8]
        return cache_folder() / self.store / f"{self.version}-{digest}"

    def version_of(self, path: str) -> str:
        """Return the version of a required module in go.mod. Raises `ToolError` if there is none."""
        return self._find(rf"^(?:require)?\s*{re.escape(path)} (v\d+\.\d+\.\d+)\b", path)

    def missing(self, folder: Path) -> list[str]:
        """Return the programs and files that a folder lacks."""
        programs = [name for name in sorted(self.programs) if not os.access(folder / name, os.X_OK)]
        return programs + [name for name in sorted(self.files) if not (folder / name).exists()]

    def _find(self, pattern: str, what: str) -> str:
        path = self.source / "go.mod"
        found = re.search(pattern, path.read_text(), re.MULTILINE)
        if found is None:
            raise ToolError(f"{path} has no {what}")
        return found.group(1)
