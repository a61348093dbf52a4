"""Every command that talks to a cluster accepts an authority without key identifiers, as EKS has it.

From Python 3.13 on, the default TLS context refuses such a chain ("Missing Authority Key Identifier"). The commands run
with that context here on whichever Python. What a chain must have is still checked.
"""

import ssl
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest

from support.cluster import bare_authority
from support.cluster.bare_authority import STRICT_COMMAND
from support.programs.operator_process import OperatorProcess
from support.programs.refused_start import refused_start
from support.programs.verifier_process import VerifierProcess
from support.programs.webhook_process import WebhookProcess
from tenure_dev import kubeconfig, operator, verifier, webhooks
from tenure_dev.build import find_or_build
from tenure_dev.certificates import issue
from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CRDS


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Give a control plane whose authority has no key identifier."""
    folder = tmp_path_factory.mktemp("bare")
    with ControlPlane.start(find_or_build(), folder, crds=CRDS, issuer=bare_authority.issue) as plane:
        yield plane


def strict(command: Sequence[str]) -> tuple[str, ...]:
    """The command with the strict default context, instead of `python -m tenure`."""
    assert command[1:3] == ("-m", "tenure")
    return (*STRICT_COMMAND, *command[3:])


def test_a_strict_context_refuses_this_authority(plane: ControlPlane) -> None:
    context = ssl.create_default_context(cafile=str(plane.certificate_authority))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with pytest.raises(OSError, match="Missing Authority Key Identifier"):
        urlopen(plane.server, context=context, timeout=10)


def test_the_operator_connects(plane: ControlPlane, tmp_path: Path) -> None:
    command = strict(operator.COMMAND)
    with OperatorProcess(plane.kubeconfig, tmp_path / "log", "--no-webhooks", command=command) as process:
        assert process.ask("readyz")[0] == 200


def test_the_webhooks_connect(plane: ControlPlane, tmp_path: Path) -> None:
    port = webhooks.install(plane)
    with WebhookProcess(plane.kubeconfig, tmp_path / "log", port, command=strict(webhooks.command(port))) as process:
        assert process.ask("readyz")[0] == 200


def test_the_verifier_connects(plane: ControlPlane, tmp_path: Path) -> None:
    port = VerifierProcess(plane.kubeconfig, tmp_path / "log").port
    command = strict(verifier.command(port))
    with VerifierProcess(plane.kubeconfig, tmp_path / "log", port=port, command=command) as process:
        assert process.ask("readyz")[0] == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ("revoke", "--issued-before=0s", "--yes"),
        ("impact", "--live", "--allow-empty", f"--base={CRDS}", f"--head={CRDS}"),
    ],
    ids=["revoke", "impact --live"],
)
def test_the_command_connects(plane: ControlPlane, arguments: tuple[str, ...]) -> None:
    result = subprocess.run(
        [*STRICT_COMMAND, *arguments],
        env=operator.environment(plane.kubeconfig),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr


def test_another_authority_is_still_refused(plane: ControlPlane, tmp_path: Path) -> None:
    other = issue(tmp_path / "other")
    config = kubeconfig.write(tmp_path / "config", plane.server, authority=other.authority, client=plane.admin)
    assert "certificate" in refused_start(config, command=(*STRICT_COMMAND, "run")).lower()
