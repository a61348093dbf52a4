"""Whether this machine can run the node, and the Debian packages that it takes."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tenure_dev.errors import ToolError
from tenure_dev.node import cgroups
from tenure_dev.paths import CHECKOUT, cache_folder

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_SYS_ADMIN": 21}
PROGRAMS = (
    "conntrack",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "ip",
    "ip6tables",
    "ipset",
    "iptables",
    "nft",
    "nsenter",
    "runc",
    "unshare",
)
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
CNI_PLUGINS = ("host-local", "loopback", "ptp")


class UnfitError(ToolError):
    """This machine can't run the node."""


@dataclass(frozen=True)
class Programs:
    """Where the node's programs are, apart from Kubernetes' own."""

    path: str
    """The value of PATH with which all of them are found."""
    cni: Path
    """The folder of the CNI plugins."""
    busybox: Path
    """A static busybox, of which the pause container and small pods of tests are made."""

    def find(self, name: str) -> str:
        """Return the path of a program."""
        found = shutil.which(name, path=self.path)
        if found is None:
            raise UnfitError(f"the program {name} is missing")
        return found


def check() -> None:
    """Raise `UnfitError` with one line if this machine can't run the node, whatever is installed."""
    if sys.platform != "linux":
        raise UnfitError(f"the node needs Linux, and this is {sys.platform}")
    if os.geteuid() != 0:
        raise UnfitError("the node needs root, for namespaces, mounts and cgroups: run it with sudo")
    held = effective_capabilities(own_status())
    if lacking := [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]:
        raise UnfitError(f"root lacks {', '.join(lacking)} here, as in a container without --privileged")
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    if "overlay" not in known and not _loads("overlay"):
        raise UnfitError("the kernel has no overlay file system")
    try:
        cgroups.parents(cgroups.hierarchies(Path("/proc/self/cgroup").read_text()))
    except ToolError as error:
        raise UnfitError(str(error)) from error


def own_status() -> str:
    """Return what the kernel says about this process."""
    return Path("/proc/self/status").read_text()


def effective_capabilities(status: str) -> int:
    """Return the effective capabilities of /proc/self/status as a number with one bit for each."""
    return next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))


def prepare() -> Programs:
    """Return the programs, and install Debian's packages first if some are missing.

    Raises `UnfitError` with one line if that isn't possible.
    """
    check()
    if missing(_programs()):
        result = subprocess.run([CHECKOUT / "dev" / "install-node", _unpacked()], check=False)
        if result.returncode != 0:
            raise UnfitError("the packages of the node can't be installed: see above")
    programs = _programs()
    if lacking := missing(programs):
        raise UnfitError(f"missing: {', '.join(lacking)} (Debian: the packages that dev/install-node lists)")
    return programs


def missing(programs: Programs) -> list[str]:
    """Return the programs and plugins that aren't there."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=programs.path) is None]
    lacking += [f"{programs.cni}/{name}" for name in CNI_PLUGINS if not (programs.cni / name).exists()]
    return [*lacking, *([] if programs.busybox.exists() else [str(programs.busybox)])]


def _unpacked() -> Path:
    return cache_folder() / "node-packages"


def _programs() -> Programs:
    unpacked = _unpacked()
    search = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", f"{unpacked}/usr/bin", f"{unpacked}/usr/sbin"]
    cni = next((folder for folder in CNI_FOLDERS if (folder / CNI_PLUGINS[0]).exists()), CNI_FOLDERS[0])
    return Programs(":".join(search), cni, unpacked / "bin" / "busybox")


def _loads(module: str) -> bool:
    modprobe = shutil.which("modprobe")
    return modprobe is not None and subprocess.run([modprobe, module], capture_output=True, check=False).returncode == 0
