"""The programs of the node, in the order in which they need each other."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

from tenure_dev import certificates, kubeconfig
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.errors import ToolError
from tenure_dev.node import archive, configuration, machine
from tenure_dev.node.binaries import find_or_build_node, policies_enforced, policies_program
from tenure_dev.node.layout import CONTAINERD_SOCKET, NAME, Layout
from tenure_dev.node.network import Network, chosen
from tenure_dev.processes import Process, wait_until

READY_WITHIN = 240.0
"""Seconds that the node may take to become Ready. It takes 20 on a quiet machine."""
IMPORTED_WITHIN = 240.0
"""Seconds that the import of an image may take."""
BUSYBOX_IMAGE = "docker.io/library/busybox:tenure"
DOMAIN = "svc.cluster.local"
API_NAMES = ("kubernetes", "kubernetes.default", f"kubernetes.default.{DOMAIN}")


def start_all(layout: Layout) -> list[Process]:
    """Start everything and return it once the node is Ready."""
    programs = machine.prepare()
    os.environ["PATH"] = programs.path
    network = chosen()
    containerd = _start_containerd(layout, programs, network)
    imports = _start_imports(layout, programs)
    plane = _start_plane(layout, network)
    _await_imports(imports)
    kubeconfigs = {user: _kubeconfig(layout, plane, user) for user in configuration.CLIENTS}
    folder = find_or_build_node()
    started = [
        containerd,
        _start_kubelet(layout, folder / "kubelet", kubeconfigs[f"system:node:{NAME}"], network),
        _start(
            layout,
            "kube-scheduler",
            str(folder / "kube-scheduler"),
            f"--kubeconfig={kubeconfigs['system:kube-scheduler']}",
            "--leader-elect=false",
            "--secure-port=0",
        ),
        _start_proxy(layout, folder / "kube-proxy", kubeconfigs["system:kube-proxy"], network),
        _start(layout, "dns", sys.executable, "-m", "tenure_dev.node.dns", str(layout.folder), plane.server),
    ]
    _await_node(plane, started)
    if policies_enforced():  # It reads the Node when it starts.
        started.append(_start_policies(layout, kubeconfigs["tenure-policies"], network))
    _await_pod(plane, network)
    return [*started, *plane.processes]


def _start(layout: Layout, name: str, *command: str) -> Process:
    return Process(name, command, log=layout.logs / f"{name}.log", env=os.environ).start()


def _start_containerd(layout: Layout, programs: machine.Programs, network: Network) -> Process:
    text = configuration.containerd(layout, cni=programs.cni, runc=programs.find("runc"))
    file = layout.configuration / "containerd.toml"
    file.write_text(text)
    configuration.write(layout.configuration / "cni" / "10-tenure.conflist", configuration.cni(network))
    process = _start(layout, "containerd", programs.find("containerd"), f"--config={file}")
    if not wait_until(lambda: not process.running or _ctr("version").returncode == 0, within=60, every=0.2):
        raise process.failure("doesn't answer")
    if not process.running:
        raise process.failure(f"ended with exit code {process.exit_code}")
    return process


def _ctr_command(*arguments: str) -> list[str]:
    return ["ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", *arguments]


def _ctr(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_ctr_command(*arguments), capture_output=True, text=True, check=False)


def _start_imports(layout: Layout, programs: machine.Programs) -> list[Process]:
    """Begin to import the pause image, busybox, and every archive that was put into the folder."""
    busybox = programs.busybox
    archive.write(layout.images / "pause.tar", busybox, ["/bin/busybox", "sleep", "inf"], configuration.PAUSE_IMAGE)
    archive.write(layout.images / "busybox.tar", busybox, ["/bin/busybox"], BUSYBOX_IMAGE)
    return [
        _start(layout, f"import of {file.name}", *_ctr_command("images", "import", str(file)))
        for file in sorted(layout.images.glob("*.tar"))
    ]


def _await_imports(imports: list[Process]) -> None:
    for process in imports:
        if code := process.wait(IMPORTED_WITHIN):
            raise process.failure(f"failed with exit code {code}")


def _start_plane(layout: Layout, network: Network) -> ControlPlane:
    pki = layout.plane / "pki"
    client = pki / "kube-apiserver-kubelet-client"
    arguments = [
        f"--bind-address={network.all}",
        f"--advertise-address={network.address}",
        f"--service-cluster-ip-range={network.services}",
        "--endpoint-reconciler-type=lease",
        "--authorization-mode=Node",  # Beside RBAC.
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-client-certificate={client}.crt",
        f"--kubelet-client-key={client}.key",
        "--kubelet-preferred-address-types=InternalIP",
    ]
    issuer = functools.partial(
        certificates.issue, names=(*API_NAMES, network.address, network.api), clients=configuration.CLIENTS
    )
    return ControlPlane.start(
        find_or_build(),
        layout.plane,
        audit=True,
        apiserver_args=arguments,
        controllers=configuration.CONTROLLERS,
        issuer=issuer,
    )


def _kubeconfig(layout: Layout, plane: ControlPlane, user: str) -> Path:
    path = layout.configuration / f"{user.replace(':', '-')}.kubeconfig"
    client = plane.certificates.clients[user]
    return kubeconfig.write(path, plane.server, authority=plane.certificate_authority, client=client)


def _start_kubelet(layout: Layout, program: Path, kubeconfig: Path, network: Network) -> Process:
    file = configuration.write(layout.configuration / "kubelet.json", configuration.kubelet(layout, network))
    return _start(
        layout,
        "kubelet",
        str(program),
        f"--config={file}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NAME}",
        f"--node-ip={network.address}",
        f"--root-dir={layout.kubelet}",
        f"--cert-dir={layout.kubelet}/pki",
    )


def _start_proxy(layout: Layout, program: Path, kubeconfig: Path, network: Network) -> Process:
    file = configuration.write(layout.configuration / "kube-proxy.json", configuration.proxy(kubeconfig, network))
    return _start(layout, "kube-proxy", str(program), f"--config={file}")


def _start_policies(layout: Layout, kubeconfig: Path, network: Network) -> Process:
    return _start(
        layout,
        "policies",
        str(policies_program()),
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={NAME}",
        f"--service-cluster-ip-range={network.services}",
    )


def _await_node(plane: ControlPlane, started: list[Process]) -> None:
    def ready() -> bool:
        if any(not process.running for process in started):
            return True
        shown = plane.kubectl(
            "get", "node", NAME, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}", check=False
        )
        return shown.stdout == "True"

    came_up = wait_until(ready, within=READY_WITHIN, every=0.3)
    for process in started:
        if not process.running:
            raise process.failure(f"ended with exit code {process.exit_code}")
    if not came_up:
        raise started[1].failure(f"isn't Ready after {READY_WITHIN:.0f} s")


def _await_pod(plane: ControlPlane, network: Network) -> None:
    """Prove that pods start, find Services by name and reach them, so that a test's failure isn't the machine's."""
    overrides = {
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "probe", "image": BUSYBOX_IMAGE, "command": ["busybox", "sleep", "inf"]}],
        }
    }
    run = ["run", "probe", f"--image={BUSYBOX_IMAGE}", "--restart=Never", f"--overrides={json.dumps(overrides)}"]

    def asks(*command: str) -> bool:
        return plane.kubectl("exec", "probe", "--", "busybox", *command, check=False).returncode == 0

    # The account of a new namespace, which a pod needs, comes a moment later.
    if not wait_until(lambda: plane.kubectl(*run, check=False).returncode == 0, within=60, every=0.5):
        raise ToolError(f"no pod is created: {plane.kubectl(*run, check=False).stderr.strip()}")
    if plane.kubectl("wait", "--for=condition=Ready", "pod/probe", "--timeout=90s", check=False).returncode:
        raise ToolError(f"no pod starts:\n{plane.kubectl('get', 'events').stdout}")
    if not wait_until(lambda: asks("nslookup", f"kubernetes.default.{DOMAIN}"), within=30, every=0.5):
        raise ToolError("a pod can't resolve the name of a Service")
    if not wait_until(
        lambda: asks("nc", "-w", "3", network.api, "443", "-e", "/bin/busybox", "true"), within=30, every=0.5
    ):
        raise ToolError("a pod can't reach a Service")
    plane.kubectl("delete", "pod", "probe")
