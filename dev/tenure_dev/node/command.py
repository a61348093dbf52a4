"""`make e2e-node` and `make up-node`: run a command in a node of its own, or leave a node running."""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tenure_dev.background import Background, exit_on_sigterm
from tenure_dev.errors import ToolError
from tenure_dev.node.image import find_or_build_image
from tenure_dev.node.layout import Layout
from tenure_dev.node.node import UP_WITHIN, Node, entering, environment, prepare, run
from tenure_dev.paths import CHECKOUT

RUNS = CHECKOUT / ".cache" / "node-runs"
"""Each run has a folder in it, which is named after its process."""
UNFIT = 69
"""Exit code of `node-run` if no node runs here, which says nothing about Tenure. pytest has no such code."""


def prepare_all() -> Path:
    """Get everything that a node takes, and return the archive of Tenure's image. Raises `UnfitError` if that fails."""
    prepare()
    return find_or_build_image()


def run_in_node(command: Sequence[str]) -> int:
    """Start a node with Tenure's image, run a command in it, and return its exit code.

    Raises `UnfitError` if no node comes up here.
    """
    exit_on_sigterm()
    image = prepare_all()
    _remove_abandoned()
    started = time.monotonic()
    with Node(RUNS / str(os.getpid()), [image]) as node:
        print(f"The node is Ready after {time.monotonic() - started:.0f} s.", file=sys.stderr)
        return run(node, command)


def _remove_abandoned() -> None:
    """Remove the folders of runs that were killed."""
    for folder in RUNS.glob("*"):
        if not Path("/proc", folder.name).exists():
            shutil.rmtree(folder, ignore_errors=True)


class UpNode(Background):
    """A node that runs in the background, whether it runs or not."""

    @property
    def layout(self) -> Layout:
        """The node's files."""
        return Layout(self.folder / "node")

    def up(self) -> bool:
        """Start the node and return True once it is Ready, or return False if it was running already."""
        prepare_all()
        return self.start(["node-supervise", f"--folder={self.folder}"], within=UP_WITHIN)

    def supervise(self) -> None:
        """Run the node until SIGTERM."""
        exit_on_sigterm()
        with Node(self.layout.folder, [find_or_build_image()]) as node:
            (self.folder / "unshare.pid").write_text(str(node.pid))
            self.ready.touch()
            while node.running:
                time.sleep(1)
            raise ToolError("the node has ended")

    def enter(self, command: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Return the command line and the environment that run a command in the node.

        Raises `ToolError` if no node runs.
        """
        file = self.folder / "unshare.pid"
        if not self.ready.exists() or not Path("/proc", file.read_text()).exists():
            raise ToolError("No node is running. Start one with `make up-node`")
        return entering(int(file.read_text()), *command), environment(self.layout)
