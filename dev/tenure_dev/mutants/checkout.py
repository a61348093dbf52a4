"""Copy the checkout, so that faults are planted in the copy and never in the files that you work on."""

import contextlib
import importlib.util
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.mutants.fault import Fault, plant

_SOURCES = ("operator", "dev")
"""Folders that Python imports packages from."""


class Copy:
    """A copy of a checkout's files.

    Attributes:
        root: Folder of the files.
        python: A Python that imports the copy's packages, also in every process that a test starts with it.
    """

    def __init__(self, root: Path, python: Path) -> None:
        self.root = root
        self.python = python

    @classmethod
    def of(cls, checkout: Path, folder: Path) -> "Copy":
        """Copy a checkout into a folder, with a Python beside it."""
        copy_files(checkout, folder / "checkout")
        return cls(folder / "checkout", make_python(folder / "venv", folder / "checkout"))

    @property
    def package(self) -> Path:
        """The folder of the package `tenure`."""
        return self.root / "operator" / "tenure"

    def check(self) -> None:
        """Check that Python imports the packages of the copy.

        Raises:
            ToolError: it imports packages from somewhere else.
        """
        program = "import tenure, tenure_dev; print(tenure.__file__, tenure_dev.__file__, sep='\\n')"
        ran = subprocess.run([self.python, "-P", "-c", program], check=True, capture_output=True, text=True, env={})
        for imported in ran.stdout.splitlines():
            if not Path(imported).is_relative_to(self.root):
                raise ToolError(f"the copy in {self.root} isn't what runs: {imported} is imported instead")

    @contextlib.contextmanager
    def with_fault(self, fault: Fault) -> Iterator[None]:
        """Plant a fault in the copy while the block runs."""
        planted = plant(fault, self.package)
        original = planted.path.read_text(encoding="utf-8")
        _write(planted.path, planted.text)
        try:
            yield
        finally:
            _write(planted.path, original)


def copy_files(checkout: Path, root: Path) -> None:
    """Copy the files that Git tracks or would add, in their present state, committed or not."""
    command = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        source, target = checkout / name, root / name
        if source.exists():  # Git still lists a deleted file until the deletion is committed.
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def make_python(folder: Path, root: Path) -> Path:
    """Create a virtual environment with the packages of this one, and return its Python.

    The packages of the checkout in `root` come first. `PYTHONPATH` can't do this, because some tests start processes
    without the inherited environment variables.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    paths = [*(root / source for source in _SOURCES), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    (site_packages / "checkout.pth").write_text("".join(f"{path}\n" for path in dict.fromkeys(map(str, paths))))
    return folder / "bin" / "python"


def _write(path: Path, text: str) -> None:
    """Write a source file, and delete its compiled module.

    Python would keep using the compiled module if the source had the same second of change and the same size.
    """
    path.write_text(text, encoding="utf-8")
    Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
