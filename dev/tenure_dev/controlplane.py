"""Run a real control plane on loopback: etcd, kube-apiserver and kube-controller-manager as plain processes."""

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
"""Seconds that a program may take to become ready. It usually takes two, but a busy machine shouldn't fail a test."""
APISERVER_GRACE = 1.0
"""Seconds that a stopping API server gets for requests in flight.

It would wait much longer for its watches. It loses no data, because etcd stores the objects.
"""
ATTEMPTS = 3
"""Maximum number of starts, if other programs take a port after it was chosen and before it is used."""


FIRST_PORT, PORTS = 10000, 20000
"""The range from which free ports are chosen."""


class PortTakenError(ToolError):
    """Another program took a port that was free a moment ago."""


class ControlPlane:
    """A running control plane. It writes only into its folder, and the kernel kills it if this process exits (Linux).

    Use `ControlPlane.start`. Start and restarts must come from the main thread. Several can run side by side.
    """

    def __init__(
        self,
        binaries: Binaries,
        folder: Path,
        *,
        audit: bool = False,
        apiserver_args: Sequence[str] = (),
        controllers: Sequence[str] = (),
        issuer: Callable[[Path], Certificates] = issue,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.binaries = binaries
        self.folder = folder
        self.audit_log = folder / "audit.log" if audit else None
        """The audit log with one JSON line for each request, complete at any time, or None without `audit`."""
        self.certificates = issuer(folder / "pki")
        """What `issuer` created."""
        self.certificate_authority = self.certificates.authority
        self.admin: KeyPair = self.certificates.admin
        """The client certificate of a member of system:masters."""
        etcd, apiserver = free_ports(2)
        self._ports = flags.Ports(etcd=etcd, apiserver=apiserver)
        self.server = self._ports.server
        """The API server's URL."""
        self.etcd_endpoint = self._ports.etcd_endpoint
        """The URL at which etcd serves HTTP and gRPC, without authentication for everyone on this machine."""
        self.kubeconfig = self._kubeconfig(folder / "kubeconfig", self.admin)
        self.kubectl = Kubectl(program=binaries.kubectl, kubeconfig=self.kubeconfig, home=folder)
        """Runs kubectl as the administrator. See `Kubectl.__call__`."""
        self._etcd, self._apiserver, self._controller_manager = self._processes(apiserver_args, controllers)
        self.processes = (self._etcd, self._apiserver, self._controller_manager)
        """Everything that runs."""
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
        controllers: Sequence[str] = (),
        issuer: Callable[[Path], Certificates] = issue,
    ) -> Self:
        """Start a control plane in `folder` and return when it is ready, after about three seconds.

        `crds`, a file or folder of CustomResourceDefinitions, is applied before the controller manager starts,
        because the garbage collector looks for new kinds only every 30 seconds. `controllers` run beside those that
        Tenure needs. `issuer` creates the certificates in a folder. Raises `ToolError` with the name and the last log
        lines of the program that failed.
        """
        for attempt in range(1, ATTEMPTS + 1):
            plane = cls(
                binaries, folder, audit=audit, apiserver_args=apiserver_args, controllers=controllers, issuer=issuer
            )
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
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)  # It may be there from an earlier start.
        for process in self.processes:
            process.log.unlink(missing_ok=True)
        self._start_etcd()
        self.start_apiserver()
        if crds is not None:
            self.apply_crds(crds)
        self.start_controller_manager()

    def _start_etcd(self) -> None:
        self._etcd.start()
        # The answer must have this etcd's name, because another control plane's etcd may have taken the port.
        members = f"{self.etcd_endpoint}/v3/cluster/member/list"
        self._await(self._etcd, lambda: self._ports.etcd_name in self._ask(members, "POST"))

    def start_apiserver(self) -> None:
        """Start the API server and wait until it is ready."""
        self._apiserver.start()
        self._await(self._apiserver, lambda: self._ask(f"{self.server}/readyz") == "ok")

    def stop_apiserver(self) -> None:
        """Stop the API server. etcd keeps the objects."""
        self._apiserver.stop(grace=APISERVER_GRACE)

    def restart_apiserver(self) -> None:
        """Stop the API server and start it on the same port, with the same objects."""
        self.stop_apiserver()
        self.start_apiserver()

    def start_controller_manager(self) -> None:
        """Start the controller manager and wait until its controllers work."""
        # A controller creates this account, so once it exists the controllers work.
        account = f"{self.server}/api/v1/namespaces/default/serviceaccounts/default"
        self._ask(account, "DELETE")
        self._controller_manager.start()
        self._await(self._controller_manager, lambda: bool(self._ask(account)))

    def stop_controller_manager(self) -> None:
        """Stop the controller manager, so that no object is garbage-collected and no namespace's deletion completes."""
        self._controller_manager.stop()

    def freeze_etcd(self) -> None:
        """Freeze etcd, so that it keeps its connections and answers no request."""
        self._etcd.send(signal.SIGSTOP)

    def thaw_etcd(self) -> None:
        """Resume etcd after `freeze_etcd`."""
        self._etcd.send(signal.SIGCONT)

    def save_etcd(self, copy: Path) -> None:
        """Copy etcd's data to a new folder. This restarts etcd and the API server."""
        self._exchange_etcd(lambda stored: shutil.copytree(stored, copy))

    def restore_etcd(self, copy: Path) -> None:
        """Replace etcd's data by a copy, as a restore from a backup does. resourceVersions go back."""

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
        return all(process.running for process in self.processes)

    def check(self) -> None:
        """Raise `ToolError` with the name and the last log lines of a program that has ended, if there is one."""
        for process in self.processes:
            if not process.running:
                raise process.failure(f"ended with exit code {process.exit_code}")

    def stop(self) -> None:
        """Stop everything that still runs."""
        for process in reversed(self.processes):
            if process.running:
                process.stop(grace=APISERVER_GRACE if process is self._apiserver else 5.0)

    def _kubeconfig(self, path: Path, client: KeyPair) -> Path:
        return kubeconfig.write(path, self.server, authority=self.certificate_authority, client=client)

    def _processes(self, apiserver_args: Sequence[str], controllers: Sequence[str]) -> tuple[Process, Process, Process]:
        certificates, ports, private = self.certificates, self._ports, self.folder / "pki"
        manager = self._kubeconfig(private / "controller-manager.kubeconfig", certificates.controller_manager)
        serving = flags.apiserver(certificates, ports, folder=private, audit_log=self.audit_log)
        return (
            self._process(self.binaries.etcd, flags.etcd(self.folder / "etcd", ports)),
            self._process(self.binaries.apiserver, [*serving, *apiserver_args]),
            self._process(
                self.binaries.controller_manager, flags.controller_manager(certificates, manager, controllers)
            ),
        )

    def _process(self, program: Path, arguments: Sequence[str]) -> Process:
        # The environment has no proxy settings and no kubeconfig of the user.
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
        """Return the body of a successful answer, or "" for another answer or none."""
        request = urllib.request.Request(url, b"{}" if method == "POST" else None, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=5) as answer:  # noqa: S310
                return str(answer.read(), "utf-8")
        except OSError:
            return ""


def free_ports(count: int) -> list[int]:
    """Return free ports of the loopback, which later calls won't return again for a long time.

    They are below the ports that the kernel gives to connections, and each process starts at a random one. So neither
    a connection nor another process of the tests takes a port after it was chosen and before it is used.
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
