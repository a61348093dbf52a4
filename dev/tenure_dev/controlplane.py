"""A real control plane on loopback: etcd, kube-apiserver and kube-controller-manager as plain processes."""

import contextlib
import itertools
import os
import random
import shutil
import signal
import socket
import ssl
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tenure_dev import flags, kubeconfig
from tenure_dev.binaries import Binaries
from tenure_dev.certificates import Certificates, KeyPair, issue
from tenure_dev.errors import ToolError
from tenure_dev.kubectl import Kubectl
from tenure_dev.processes import Process, wait_until

READY_WITHIN = 60.0
"""Seconds that a program may take to become ready; it takes two, and a busy machine is no failure."""
APISERVER_GRACE = 1.0
"""Seconds for requests in flight. It would wait much longer for its watches, and keeps nothing to lose."""
ATTEMPTS = 3
"""Starts that are tried when another program takes a port between its choice and its use."""


FIRST_PORT, PORTS = 10000, 20000
"""The range that free ports are taken from."""


class PortTakenError(ToolError):
    """Another program was quicker to take a port that was free a moment ago."""


class ControlPlane:
    """A running control plane; everything that it writes lies in its folder, and it dies with this process.

    Use `ControlPlane.start`. Start and restarts must come from the main thread. Several can run side by side.
    """

    def __init__(
        self,
        binaries: Binaries,
        folder: Path,
        *,
        audit: bool = False,
        apiserver_args: Sequence[str] = (),
        issuer: Callable[[Path], Certificates] = issue,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.binaries = binaries
        self.folder = folder
        self.audit_log = folder / "audit.log" if audit else None
        """One JSON line a request, complete at any time; None without `audit`."""
        self._certificates = issuer(folder / "pki")
        self.certificate_authority = self._certificates.authority
        self.admin: KeyPair = self._certificates.admin
        """The client certificate of a member of system:masters."""
        etcd, apiserver = free_ports(2)
        self._ports = flags.Ports(etcd=etcd, apiserver=apiserver)
        self.server = self._ports.server
        """The API server's URL."""
        self.etcd_endpoint = self._ports.etcd_endpoint
        """Where etcd serves HTTP and gRPC, to anyone on this machine."""
        self.kubeconfig = self._kubeconfig(folder / "kubeconfig", self.admin)
        self.kubectl = Kubectl(program=binaries.kubectl, kubeconfig=self.kubeconfig, home=folder)
        """Runs kubectl as the administrator; see `Kubectl.__call__`."""
        self._etcd, self._apiserver, self._controller_manager = self._processes(apiserver_args)
        self._all = (self._etcd, self._apiserver, self._controller_manager)
        self._tls = ssl.create_default_context(cafile=str(self.certificate_authority))
        self._tls.verify_flags &= ~ssl.VERIFY_X509_STRICT  # The authority may be as bare as a managed cluster's.
        self._tls.load_cert_chain(self.admin.certificate, self.admin.key)

    @classmethod
    def start(
        cls,
        binaries: Binaries,
        folder: Path,
        *,
        audit: bool = False,
        crds: Path | None = None,
        apiserver_args: Sequence[str] = (),
        issuer: Callable[[Path], Certificates] = issue,
    ) -> Self:
        """Start one in `folder` and return when it is ready, after about three seconds.

        `crds`, a file or folder of CustomResourceDefinitions, is applied before the controller manager starts,
        because the garbage collector looks for new kinds only every 30 seconds. `issuer` makes the certificates in
        a folder. Raises `ToolError` with the failing program's name and last words.
        """
        for attempt in range(1, ATTEMPTS + 1):
            plane = cls(binaries, folder, audit=audit, apiserver_args=apiserver_args, issuer=issuer)
            with ExitStack() as cleanup:
                cleanup.callback(plane.stop)
                try:
                    plane._start(crds)
                except PortTakenError:
                    if attempt == ATTEMPTS:
                        raise
                    continue
                cleanup.pop_all()
                return plane
        raise AssertionError("unreachable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, crds: Path | None) -> None:
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)  # Of a former start.
        for process in self._all:
            process.log.unlink(missing_ok=True)
        self._start_etcd()
        self.start_apiserver()
        if crds is not None:
            self.apply_crds(crds)
        self.start_controller_manager()

    def _start_etcd(self) -> None:
        self._etcd.start()
        # By name: where its port was lost to another control plane's etcd, that one would answer.
        members = f"{self.etcd_endpoint}/v3/cluster/member/list"
        self._await(self._etcd, lambda: self._ports.etcd_name in self._ask(members, "POST"))

    def start_apiserver(self) -> None:
        """Start the API server and wait until it is ready."""
        self._apiserver.start()
        self._await(self._apiserver, lambda: self._ask(f"{self.server}/readyz") == "ok")

    def stop_apiserver(self) -> None:
        """Stop the API server; etcd keeps its objects."""
        self._apiserver.stop(grace=APISERVER_GRACE)

    def restart_apiserver(self) -> None:
        """Stop the API server and start it on the same port, with the same objects."""
        self.stop_apiserver()
        self.start_apiserver()

    def start_controller_manager(self) -> None:
        """Start the controller manager and wait until its controllers work."""
        # It makes this account, so there is one as soon as its controllers work.
        account = f"{self.server}/api/v1/namespaces/default/serviceaccounts/default"
        self._ask(account, "DELETE")
        self._controller_manager.start()
        self._await(self._controller_manager, lambda: bool(self._ask(account)))

    def stop_controller_manager(self) -> None:
        """Stop the controller manager: nothing is garbage-collected, and no namespace ends."""
        self._controller_manager.stop()

    def freeze_etcd(self) -> None:
        """Freeze the store: it keeps its connections and answers nothing."""
        self._etcd.send(signal.SIGSTOP)

    def thaw_etcd(self) -> None:
        """Let the store go on after `freeze_etcd`."""
        self._etcd.send(signal.SIGCONT)

    def save_etcd(self, copy: Path) -> None:
        """Copy all that the store holds to a new folder; store and API server are started anew for it."""
        self._exchange_etcd(lambda stored: shutil.copytree(stored, copy))

    def restore_etcd(self, copy: Path) -> None:
        """Let the store hold what it held when it was copied, as a restored backup does: resourceVersions go back."""

        def replace(stored: Path) -> None:
            shutil.rmtree(stored)
            shutil.copytree(copy, stored)

        self._exchange_etcd(replace)

    def _exchange_etcd(self, act: Callable[[Path], object]) -> None:
        self.stop_apiserver()
        self._etcd.stop()
        act(self.folder / "etcd")
        self._start_etcd()
        self.start_apiserver()

    def apply_crds(self, source: Path) -> None:
        """Apply CustomResourceDefinitions from a file or folder and wait until discovery shows them."""
        names = self.kubectl("apply", "--server-side", "--filename", str(source), "--output=name").stdout.split()
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
        expected = {name.partition("/")[2] for name in names}

        def served() -> bool:
            shown = self.kubectl("api-resources", "--cached=false", "--output=name", check=False)
            return expected <= set(shown.stdout.split())

        if not wait_until(served, within=READY_WITHIN):
            raise self._apiserver.failure(f"doesn't serve {', '.join(sorted(expected))}")

    @property
    def running(self) -> bool:
        """Whether all three programs run."""
        return all(process.running for process in self._all)

    def check(self) -> None:
        """Raise `ToolError` if one of the programs has ended; it tells which, and that one's last words."""
        for process in self._all:
            if not process.running:
                raise process.failure(f"ended with exit code {process.exit_code}")

    def stop(self) -> None:
        """Stop everything; harmless when it is stopped already."""
        for process in reversed(self._all):
            if process.running:
                process.stop(grace=APISERVER_GRACE if process is self._apiserver else 5.0)

    def _kubeconfig(self, path: Path, client: KeyPair) -> Path:
        return kubeconfig.write(path, self.server, authority=self.certificate_authority, client=client)

    def _processes(self, apiserver_args: Sequence[str]) -> tuple[Process, Process, Process]:
        certificates, ports, private = self._certificates, self._ports, self.folder / "pki"
        manager = self._kubeconfig(private / "controller-manager.kubeconfig", certificates.controller_manager)
        serving = flags.apiserver(certificates, ports, folder=private, audit_log=self.audit_log)
        return (
            self._process(self.binaries.etcd, flags.etcd(self.folder / "etcd", ports)),
            self._process(self.binaries.apiserver, [*serving, *apiserver_args]),
            self._process(self.binaries.controller_manager, flags.controller_manager(certificates, manager)),
        )

    def _process(self, program: Path, arguments: Sequence[str]) -> Process:
        # A clean environment: no proxy settings, no ambient kubeconfig.
        environment = {"HOME": str(self.folder), "PATH": os.defpath}
        log = self.folder / f"{program.name}.log"
        return Process(program.name, [str(program), *arguments], log=log, env=environment)

    def _await(self, process: Process, ready: Callable[[], bool]) -> None:
        if not wait_until(lambda: not process.running or ready(), within=READY_WITHIN):
            raise process.failure(f"isn't ready after {READY_WITHIN:.0f} s")
        if not process.running:
            if "address already in use" in process.tail():
                raise PortTakenError(str(process.failure("lost its port to another program")))
            raise process.failure(f"ended with exit code {process.exit_code}")

    def _ask(self, url: str, method: str = "GET") -> str:
        """Return the body of a successful answer; empty for any other, and for none."""
        request = urllib.request.Request(url, b"{}" if method == "POST" else None, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=5) as answer:  # noqa: S310
                return str(answer.read(), "utf-8")
        except OSError:
            return ""


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that nobody listens on at this moment, and that aren't returned again for long.

    They are below those that the kernel gives to connections, and each process begins somewhere else. So neither a
    connection nor another process of the tests takes one between its choice and its use.
    """
    found: list[int] = []
    while len(found) < count:
        port = FIRST_PORT + next(_numbers) % PORTS
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                candidate.bind(("127.0.0.1", port))
                found.append(port)
    return found


_numbers = itertools.count(random.SystemRandom().randrange(PORTS))
