"""The first process in the node's namespaces: it makes the mounts and the network, and runs the node's programs.

Nothing here is undone. With this process the kernel ends all others of its namespace, and then the namespaces are gone.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from tenure_dev.errors import ToolError
from tenure_dev.node import cgroups
from tenure_dev.node.layout import NAME, Layout
from tenure_dev.node.network import Network, chosen
from tenure_dev.node.programs import start_all
from tenure_dev.paths import CHECKOUT, cache_folder
from tenure_dev.processes import wait_until

_FAKED = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
}
"""Settings of the whole machine that the kubelet would change if it didn't read these values."""

_WRITTEN = (Path("/var/lib"), Path("/var/log"))
"""Folders in which the kubelet and the CNI plugins write to fixed places."""
PLENTY = 6 << 20
"""KiB of available memory with which images may be kept in it. They take about half a gigabyte."""


def main() -> NoReturn:
    """Run the node: `python -m tenure_dev.node.init FOLDER`."""
    node = os.fork()
    if node == 0:
        _run(Layout(Path(sys.argv[1])))
    # Processes whose parent has ended become children of this one, and must be reaped.
    while True:
        child, status = os.wait()
        if child == node:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _run(layout: Layout) -> NoReturn:
    try:
        layout.create()
        _mount(layout)
        _connect(chosen())
        programs = start_all(layout)
        layout.ready.touch()
        while all(program.running for program in programs):
            time.sleep(1)
        ended = next(program for program in programs if not program.running)
        raise ended.failure(f"ended with exit code {ended.exit_code}")
    except (ToolError, OSError, subprocess.SubprocessError) as error:
        layout.failure.write_text(f"{error}\n")
        print(error, file=sys.stderr, flush=True)
    os._exit(1)


def _mount(layout: Layout) -> None:
    _call("mount", "-t", "sysfs", "sysfs", "/sys")
    _mount_cgroups(Path("/proc/self/cgroup").read_text())
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for folder in ("lock", "netns"):
        Path("/run", folder).mkdir()
    _hide_writes(CHECKOUT, cache_folder(), layout.folder)
    for name, value in _FAKED.items():
        file = layout.configuration / name.replace("/", ".")
        file.write_text(f"{value}\n")
        _call("mount", "--bind", str(file), f"/proc/sys/{name}")
    if _available_memory() > PLENTY:
        # Thousands of small files go with the namespace, instead of being deleted one by one.
        _call("mount", "-t", "tmpfs", "tmpfs", str(layout.containerd))
    # The kubelet and containerd pass mounts on to each other.
    _call("mount", "--make-rshared", "/")


def _hide_writes(*own: Path) -> None:
    """Keep what is written to the machine's folders in memory, except to folders of our own."""
    host = Path("/run/tenure/host")
    host.mkdir(parents=True)
    _call("mount", "--rbind", "/", str(host))
    for folder in _WRITTEN:
        kept = Path("/run/tenure", folder.name)
        layers = {"lowerdir": folder, "upperdir": kept / "upper", "workdir": kept / "work"}
        layers["upperdir"].mkdir(parents=True)
        layers["workdir"].mkdir()
        options = ",".join(f"{name}={path}" for name, path in layers.items())
        _call("mount", "-t", "overlay", "-o", options, "overlay", str(folder))
        for path in own:
            if path.is_relative_to(folder):
                path.mkdir(parents=True, exist_ok=True)
                _call("mount", "--bind", f"{host}{path}", str(path))


def _available_memory() -> int:
    """Return the available memory in KiB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def _mount_cgroups(listed: str) -> None:
    names = [line.split(":", 2)[1] for line in listed.splitlines()]
    root = Path("/sys/fs/cgroup")
    if names == [""]:
        _call("mount", "-t", "cgroup2", "cgroup2", str(root))
        _delegate(root)
        return
    _call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root))
    for name in names:
        folder = root / (name.removeprefix("name=") or "unified")
        folder.mkdir()
        kind = ["cgroup", "-o", f"none,{name}" if name.startswith("name=") else name] if name else ["cgroup2"]
        _call("mount", "-t", *kind, "cgroup", str(folder))


def _delegate(root: Path) -> None:
    """Let the node's cgroup give its children controllers, which version 2 forbids one that has processes itself."""
    leaf = root / "system"
    leaf.mkdir()

    def delegated() -> bool:
        with contextlib.suppress(OSError):
            for process in (root / "cgroup.procs").read_text().split():
                (leaf / "cgroup.procs").write_text(process)
        try:
            wanted = " ".join(f"+{name}" for name in (root / "cgroup.controllers").read_text().split())
            (root / "cgroup.subtree_control").write_text(wanted)
        except OSError:
            return False
        return True

    if not wait_until(delegated, within=10):
        raise ToolError(f"the controllers {', '.join(cgroups.NEEDED)} can't be passed on in the node's cgroup")


def _connect(network: Network) -> None:
    """Make a network without a link to the machine's. The default route ends at a veth whose peer is here, too."""
    _call("hostname", NAME)
    # Nobody else can have an address of IPv6 here, so it needn't be asked for first.
    own = " nodad" if network.family is socket.AF_INET6 else ""
    for command in (
        "link set lo up",
        "link add eth0 type veth peer name uplink",
        f"addr add {network.address}/{network.bits} dev eth0{own}",
        "link set eth0 up",
        "link set uplink up",
        f"route add default via {network.gateway} dev eth0",
    ):
        _call("ip", *command.split())
    Path("/proc/sys/net", network.forwarding).write_text("1")


def _call(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ToolError(f"{' '.join(command)}: {result.stderr.strip()}")


if __name__ == "__main__":
    main()
