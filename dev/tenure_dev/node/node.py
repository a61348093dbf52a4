"""Start the node in namespaces of its own, run commands in it, and leave nothing of it behind."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tenure_dev.build import find_or_build
from tenure_dev.errors import ToolError
from tenure_dev.node import cgroups, machine
from tenure_dev.node.binaries import find_or_build_node
from tenure_dev.node.layout import Layout
from tenure_dev.processes import Process, dies_with_parent, wait_until
from tenure_dev.tools import Tools

UP_WITHIN = 420.0
"""Seconds that everything may take to come up. It takes 30 on a quiet machine."""
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")


class Node:
    """A running node. If this process ends, however it ends, the kernel ends the node."""

    def __init__(self, folder: Path, images: Sequence[Path]) -> None:
        self.layout = Layout(folder)
        self._images = images
        self._cgroups: list[Path] = []
        unshare = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
        self._process = _Contained(
            "the node",
            [*unshare, sys.executable, "-m", "tenure_dev.node.init", str(folder)],
            log=folder / "node.log",
        )

    def __enter__(self) -> Self:
        """Start the node and return once it is Ready. Raises `ToolError` if this machine can't run it."""
        prepare()
        shutil.rmtree(self.layout.folder, ignore_errors=True)
        self.layout.create()
        for image in self._images:
            (self.layout.images / image.name).symlink_to(image)
        parents = cgroups.parents(cgroups.hierarchies(Path("/proc/self/cgroup").read_text()))
        cgroups.remove(list(cgroups.abandoned(parents)))
        try:
            self._cgroups = cgroups.create(parents)
            self._process.cgroups = self._cgroups
            self._process.start()
            self._await()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The id of the process whose child is the node's first process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the node runs."""
        return self._process.running

    def stop(self) -> None:
        """End the node and remove all that it wrote. Nothing in it is stopped in order, because all of it goes."""
        if self._process.running:
            self._process.kill()
        # The kernel ends the processes of the namespace after their first one, so this may take a moment.
        if not wait_until(lambda: cgroups.remove(self._cgroups), within=30, every=0.1):
            print(f"not removed, because something still runs in it: {self._cgroups}", file=sys.stderr)
        shutil.rmtree(self.layout.folder, ignore_errors=True)

    def _await(self) -> None:
        layout, process = self.layout, self._process
        wait_until(lambda: layout.ready.exists() or not process.running, within=UP_WITHIN, every=0.1)
        if layout.ready.exists():
            return
        reason = layout.failure.read_text() if layout.failure.exists() else process.tail()
        raise machine.UnfitError(f"the node didn't come up: {reason}")

    def command(self, *command: str) -> list[str]:
        """Return the command line that runs a command in the node."""
        return entering(self._process.pid, *command)


class _Contained(Process):
    """A process that starts in cgroups of its own."""

    cgroups: Sequence[Path] = ()

    def _before(self) -> Callable[[], None]:
        dies, entered = dies_with_parent(), list(self.cgroups)

        def prepare() -> None:
            dies()
            cgroups.enter(entered)

        return prepare


def prepare() -> None:
    """Get everything that the node takes. Raises `machine.UnfitError` if this machine can't run it."""
    machine.prepare()
    find_or_build_node()
    find_or_build()
    Tools.find_or_build()


def entering(unshare: int, *command: str) -> list[str]:
    """Return the command line that runs a command in the namespaces of the child of a process `unshare`."""
    children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
    if not children:
        raise ToolError("the node has ended")
    # With the mount namespace nsenter changes to the root.
    return ["nsenter", f"--target={children[0]}", *NAMESPACES, "--", "env", f"--chdir={Path.cwd()}", *command]


def environment(layout: Layout) -> dict[str, str]:
    """Return the environment of a command in the node, which finds kubectl, helm and containerd's ctr."""
    programs = machine.prepare()
    path = f"{find_or_build().folder}:{Tools.find_or_build().folder}:{programs.path}"
    return {
        **os.environ,
        "PATH": path,
        "KUBECONFIG": str(layout.kubeconfig),
        "KUBECACHEDIR": str(layout.folder / "kubectl-cache"),
        "HELM_CACHE_HOME": str(layout.folder / "helm-cache"),
        "UV_OFFLINE": "1",
        "TENURE_NODE": str(layout.folder),
        "TENURE_TEST_AUDIT_LOG": str(layout.audit_log),
    }


def run(node: Node, command: Sequence[str]) -> int:
    """Run a command in the node and return its exit code. Ctrl-C is the command's, which then ends by itself."""
    process = subprocess.Popen(node.command(*command), env=environment(node.layout))
    try:
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                return process.wait()
    finally:
        process.kill()  # If this process was told to end, the command isn't waited for.
        process.wait()
