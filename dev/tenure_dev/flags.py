"""The command lines of the control plane's programs, with a reason for each flag that isn't obvious."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from tenure_dev.certificates import Certificates

CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "validatingadmissionpolicy-status-controller",
)
"""The controllers that Tenure and its tests need. kube-controller-manager exits if it doesn't know one of the names."""

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


@dataclass(frozen=True)
class Ports:
    """The loopback ports of one control plane, and the name of its etcd."""

    etcd: int
    apiserver: int
    etcd_name: str = field(default_factory=lambda: f"tenure-{uuid4().hex}")
    """Distinguishes this etcd from another one that took its port."""

    @property
    def etcd_endpoint(self) -> str:
        """The URL at which etcd serves its clients."""
        return f"http://127.0.0.1:{self.etcd}"

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://127.0.0.1:{self.apiserver}"


def etcd(data: Path, ports: Ports) -> list[str]:
    """Return etcd's flags for a single member that doesn't wait for the disk."""
    peer = "http://127.0.0.1:0"  # There are no peers, so the kernel picks any port.
    return [
        f"--data-dir={data}",
        f"--name={ports.etcd_name}",
        f"--listen-client-urls={ports.etcd_endpoint}",
        f"--advertise-client-urls={ports.etcd_endpoint}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={ports.etcd_name}={peer}",
        "--unsafe-no-fsync",
        # The only member elects itself, but not before an election timeout has passed.
        "--heartbeat-interval=10",
        "--election-timeout=100",
    ]


def apiserver(certificates: Certificates, ports: Ports, *, folder: Path, audit_log: Path | None) -> list[str]:
    """Return kube-apiserver's flags."""
    issuer = "https://kubernetes.default.svc.cluster.local"
    flags = [
        f"--etcd-servers={ports.etcd_endpoint}",
        "--bind-address=127.0.0.1",
        f"--secure-port={ports.apiserver}",
        # Without these two flags it looks for a default route, which a laptop without a network doesn't have.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={folder}",
        f"--tls-cert-file={certificates.serving.certificate}",
        f"--tls-private-key-file={certificates.serving.key}",
        f"--client-ca-file={certificates.authority}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={issuer}",
        f"--service-account-key-file={certificates.service_account_key}",
        f"--service-account-signing-key-file={certificates.service_account_key}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--profiling=false",
        # Tests and benchmarks send more concurrent requests than the defaults allow.
        "--max-requests-inflight=3000",
        "--max-mutating-requests-inflight=1000",
    ]
    if audit_log is not None:
        policy = folder / "audit-policy.yaml"
        policy.write_text(AUDIT_POLICY)
        # Blocking mode writes a request to the log before it is answered, so counts are complete at any time.
        flags += [
            f"--audit-policy-file={policy}",
            f"--audit-log-path={audit_log}",
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=0",
        ]
    return flags


def controller_manager(certificates: Certificates, kubeconfig: Path, more: Sequence[str] = ()) -> list[str]:
    """Return kube-controller-manager's flags, with only `CONTROLLERS` and `more`, each under its own ServiceAccount."""
    return [
        f"--kubeconfig={kubeconfig}",
        "--secure-port=0",  # It serves nothing, so it needs no port.
        "--leader-elect=false",
        f"--controllers={','.join([*CONTROLLERS, *more])}",
        # As in a cluster, webhooks see the garbage collector and the namespace controller under their real names.
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={certificates.service_account_key}",
        f"--root-ca-file={certificates.authority}",
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
        "--concurrent-gc-syncs=20",
        "--concurrent-namespace-syncs=20",
        "--profiling=false",
    ]
