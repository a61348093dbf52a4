"""The configuration files of the node's programs, with a reason for each line that isn't obvious."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenure_dev.node.layout import CONTAINERD_SOCKET, NAME, Layout
from tenure_dev.node.network import Network

PAUSE_IMAGE = "docker.io/library/tenure-pause:1"

CONTROLLERS = (
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "taint-eviction-controller",
)
"""The controllers that run beside those which Tenure's other tests need."""

CLIENTS = {
    f"system:node:{NAME}": "system:nodes",
    "system:kube-scheduler": "tenure-dev",
    "system:kube-proxy": "tenure-dev",
    "kube-apiserver-kubelet-client": "system:masters",
    "tenure-policies": "system:masters",
}
"""The users of the node's programs, and the group of each."""


def containerd(layout: Layout, *, cni: Path, runc: str) -> str:
    """Return containerd's configuration, in the form that versions 1 and 2 read."""
    return f"""\
version = 2
root = "{layout.containerd}"
state = "/run/containerd"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{layout.containerd}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  # Without CAP_SYS_RESOURCE, as in a sandbox, no sandbox of a pod would start.
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{cni}"
  conf_dir = "{layout.configuration}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  SystemdCgroup = false
"""


def cni(network: Network) -> Mapping[str, Any]:
    """Return the network of pods: a link to the node for each, so that all packets are routed and meet its rules.

    Those that a bridge passes on would meet them only where the kernel has br_netfilter loaded.
    """
    link = {
        "type": "ptp",
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/cni",
            "routes": [{"dst": network.anywhere}],
            "ranges": [[{"subnet": network.pods}]],
        },
    }
    return {"cniVersion": "0.4.0", "name": "tenure", "plugins": [link]}


def kubelet(layout: Layout, network: Network) -> Mapping[str, Any]:
    """Return the kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "address": network.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "x509": {"clientCAFile": str(layout.plane / "pki" / "ca.crt")},
            "webhook": {"enabled": True},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDomain": "cluster.local",
        "clusterDNS": [network.address],
        "resolvConf": "",
        "podLogsDir": str(layout.logs / "pods"),
        "volumePluginDir": str(layout.kubelet / "plugins"),
        "failSwapOn": False,
        # The disk is the machine's, and how full it is has nothing to do with the tests.
        "evictionHard": {
            "memory.available": "100Mi",
            **dict.fromkeys(("nodefs.available", "imagefs.available", "nodefs.inodesFree", "imagefs.inodesFree"), "0%"),
        },
        "imageGCHighThresholdPercent": 100,
        # Secrets reach volumes within seconds, so that a test of a rotation needn't wait for a minute.
        "syncFrequency": "5s",
    }


def proxy(kubeconfig: Path, network: Network) -> Mapping[str, Any]:
    """Return kube-proxy's configuration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NAME,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": network.pods,
        "detectLocalMode": "ClusterCIDR",
        # These would be sysctls of the machine.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "metricsBindAddress": "127.0.0.1:10249",
        "healthzBindAddress": network.with_port(10256),
    }


def write(path: Path, document: Mapping[str, Any]) -> Path:
    """Write a document as JSON, which is YAML, too."""
    path.write_text(json.dumps(document, indent=2))
    return path
