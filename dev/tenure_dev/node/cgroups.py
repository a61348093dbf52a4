"""Cgroups of the node's own, below the cgroup of this process, in each hierarchy of version 1 and in version 2."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tenure_dev.errors import ToolError

PREFIX = "tenure-node-"
NEEDED = ("cpu", "memory", "pids")
"""Controllers of version 2 without which the kubelet doesn't start."""
_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Hierarchy:
    """A hierarchy of cgroups, where it is mounted, and this process's cgroup in it."""

    controllers: str
    """As in /proc/self/cgroup: empty in version 2, `name=…` without controllers."""
    mount: Path
    own: Path

    @property
    def unified(self) -> bool:
        """Whether it is version 2."""
        return not self.controllers


def hierarchies(listed: str, root: Path = _ROOT) -> list[Hierarchy]:
    """Return the hierarchies of /proc/self/cgroup that are mounted below `root`."""
    found = []
    for line in listed.splitlines():
        _, controllers, path = line.split(":", 2)
        mount = _mount(controllers, root)
        own = mount / path.strip("/")
        if own.is_dir():
            found.append(Hierarchy(controllers, mount, own))
    return found


def _mount(controllers: str, root: Path) -> Path:
    if not controllers:
        return root / "unified" if (root / "unified").is_dir() else root
    return root / controllers.removeprefix("name=")


def parents(found: list[Hierarchy]) -> list[Path]:
    """Return the cgroup of each hierarchy in which the node's is created. Raises `ToolError` if one can't hold it.

    In version 2 it is the nearest one that gives its children all controllers that the kubelet needs.
    """
    if not found:
        raise ToolError("no cgroups are mounted in /sys/fs/cgroup")
    only_unified = all(hierarchy.unified for hierarchy in found)
    return [_delegating(each) if only_unified else each.own for each in found]


def _delegating(hierarchy: Hierarchy) -> Path:
    for cgroup in (hierarchy.own, *hierarchy.own.parents):
        if set(NEEDED) <= set(_words(cgroup / "cgroup.subtree_control")):
            return cgroup
        if cgroup == hierarchy.mount:
            break
    raise ToolError(f"no cgroup above {hierarchy.own} gives its children the controllers {', '.join(NEEDED)}")


def create(parents: list[Path]) -> list[Path]:
    """Create the node's cgroup in each of `parents`, named after this process."""
    made = []
    for parent in parents:
        cgroup = parent / f"{PREFIX}{os.getpid()}"
        cgroup.mkdir()
        made.append(cgroup)
        if (cgroup / "cgroup.clone_children").exists() and (cgroup / "cpuset.cpus").exists():
            # In version 1 a cpuset begins empty, and nothing can run in it.
            for name in ("cpuset.cpus", "cpuset.mems"):
                (cgroup / name).write_text((parent / name).read_text())
            (cgroup / "cgroup.clone_children").write_text("1")
    return made


def enter(cgroups: list[Path]) -> None:
    """Move this process into the cgroups."""
    for cgroup in cgroups:
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))


def remove(cgroups: list[Path]) -> bool:
    """Remove the cgroups and all below them, as far as they are empty, and tell whether all are gone."""
    for cgroup in cgroups:
        for folder, _, _ in os.walk(cgroup, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
    return not any(cgroup.exists() for cgroup in cgroups)


def abandoned(parents: list[Path]) -> Iterator[Path]:
    """Return the cgroups of nodes whose process was killed."""
    for parent in parents:
        for cgroup in parent.glob(f"{PREFIX}*"):
            owner = re.fullmatch(rf"{PREFIX}(\d+)", cgroup.name)
            if owner and not Path("/proc", owner.group(1)).exists():
                yield cgroup


def _words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []
