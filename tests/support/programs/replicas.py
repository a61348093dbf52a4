"""Replicas of the operator that elect one among them, and the Lease that they elect it by."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from support.cluster.identity import CONTROLLER, config_of
from support.faults.exchange import Request
from support.programs.operator_process import OperatorProcess
from support.run.eventually import eventually
from support.run.slowness import NEVER, slowness
from tenure.domain.lease import Lease
from tenure.kube.names import ELECTION_LEASE
from tenure_dev.chart import NAMESPACE
from tenure_dev.controlplane import ControlPlane

_SHORTEST_SECONDS = 5
_LONGEST_SECONDS = 15
LASTING_SECONDS = 600
"""Of a Lease that nobody could wait for to end."""

LEADS = ": leads: "
"""What a replica logs once it leads."""

_ROLE = ("role", "tenure-controller-system", f"--namespace={NAMESPACE}")
_WHERE = ("lease", ELECTION_LEASE, f"--namespace={NAMESPACE}")


def short_lease() -> int:
    """Return the duration of a Lease whose end a test waits for: as short as a leader can renew it here and now.

    A leader exits if it can't renew for two thirds of it, which a busy machine mustn't cause. On a very slow one, it is
    what Tenure has by default.
    """
    return min(round(_SHORTEST_SECONDS * slowness()), _LONGEST_SECONDS)


class Replicas:
    """Two replicas for one namespace, `first` and `second`; neither runs yet."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path, *, lease_seconds: int | None = None) -> None:
        self.plane = plane
        self.lease_seconds = lease_seconds or short_lease()
        self._folder = folder
        self._arguments = (
            *("--namespace", namespace, "--resync", "1", "--no-webhooks"),
            *("--leader-election", "--system-namespace", NAMESPACE, "--lease-duration", str(self.lease_seconds)),
        )
        self.first, self.second = self.replica("first"), self.replica("second")

    def replica(self, name: str, config: Path | None = None, *args: str) -> OperatorProcess:
        """A replica that isn't started, with its log in a file of this name."""
        config = config or config_of(self.plane, CONTROLLER)
        return OperatorProcess(config, self._folder / f"{name}.log", *self._arguments, *args)

    def start(self) -> None:
        """Start both; the first one leads."""
        self.first.start()
        wait_leads(self.first)
        self.second.start()
        eventually(lambda: "waits: " in self.second.log, describe="the second replica waits")

    def stop(self) -> None:
        """Stop those that run."""
        for replica in (self.first, self.second):
            if replica.running:
                replica.resume()
                replica.stop()


def wait_leads(replica: OperatorProcess, *, within: float = 30.0) -> None:
    """Wait until a replica says that it leads."""
    eventually(lambda: LEADS in replica.log, within=within, describe="the replica leads")


def wait_lost(replica: OperatorProcess, *, within: float = 30.0) -> str:
    """Wait until a replica has ended since it doesn't lead any more, and return what it said."""
    eventually(lambda: not replica.running, within=within, describe="the replica has ended")
    assert replica.exit_code == 1
    (said,) = [line for line in replica.log.splitlines() if line.startswith("tenure: leadership lost")]
    assert "Traceback" not in replica.log
    return said


def stored_lease(plane: ControlPlane) -> dict[str, Any] | None:
    """The Lease's spec as it is stored; None: there is no Lease."""
    output = plane.kubectl("get", *_WHERE, "--ignore-not-found", "--output=json").stdout
    spec: dict[str, Any] | None = json.loads(output)["spec"] if output.strip() else None
    return spec


def delete_lease(plane: ControlPlane) -> None:
    """Delete the Lease."""
    plane.kubectl("delete", *_WHERE, "--ignore-not-found")


def hold_lease(plane: ControlPlane, holder: str, renewed: datetime, seconds: int) -> None:
    """Store that somebody holds the Lease for so many seconds, and says to have renewed it then."""
    lease = Lease(NAMESPACE, ELECTION_LEASE, holder, "", datetime.now(UTC), seconds, renewed)
    plane.kubectl("create", "--filename=-", input=json.dumps(lease.to_body()))


def usurp_lease(plane: ControlPlane, holder: str) -> None:
    """Let somebody else hold the Lease, in one write between two renewals of its holder."""
    plane.kubectl("patch", *_WHERE, "--type=merge", "--patch", json.dumps({"spec": {"holderIdentity": holder}}))


def take_election_right(plane: ControlPlane, verb: str) -> None:
    """Take a verb on the Lease from the controller; `install_identities` gives it back."""
    role = json.loads(plane.kubectl("get", *_ROLE, "--output=json").stdout)
    for rule in role["rules"]:
        if "leases" in rule["resources"]:
            rule["verbs"] = [held for held in rule["verbs"] if held != verb]
    role["rules"] = [rule for rule in role["rules"] if rule["verbs"]]
    plane.kubectl("apply", "--server-side", "--field-manager=helm", "--filename=-", input=json.dumps(role))


def seconds_since(moment: float) -> float:
    """How long ago a moment of the monotonic clock is."""
    return time.monotonic() - moment


def is_claim(request: Request) -> bool:
    """Whether a request takes the Lease, renews it or lets go of it."""
    return request.resource == "leases" and request.is_write and "dryRun" not in request.query


def send_again(plane: ControlPlane, request: Request) -> requests.Response:
    """Send a replica's request as it was, as it arrives after a long way."""
    return requests.request(
        request.method,
        plane.server + request.url,
        data=request.body,
        headers={"Content-Type": request.headers["Content-Type"], "Impersonate-User": CONTROLLER},
        cert=(str(plane.admin.certificate), str(plane.admin.key)),
        verify=str(plane.certificate_authority),
        timeout=NEVER,
    )
