"""kubectl, run so that nothing of the user's own configuration can reach it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tenure_dev.errors import ToolError


class KubectlError(ToolError):
    """kubectl failed; `result` holds its exit code and output."""

    def __init__(self, result: subprocess.CompletedProcess[str]) -> None:
        arguments = " ".join(result.args[1:])
        super().__init__(f"kubectl {arguments}: exit code {result.returncode}\n{result.stderr.strip()}")
        self.result = result


@dataclass(frozen=True)
class Kubectl:
    """kubectl with one kubeconfig and a home folder of its own: no ambient kubeconfig or kuberc is read."""

    program: Path
    kubeconfig: Path
    home: Path

    def __call__(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002  (the name that subprocess.run has for it)
        check: bool = True,
        as_user: str | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl with `input` as its standard input, `as_user` impersonated.

        Raises `KubectlError` if it fails (unless `check` is false) and `subprocess.TimeoutExpired` after
        `timeout` seconds.
        """
        impersonation = [] if as_user is None else [f"--as={as_user}"]
        result = subprocess.run(
            [str(self.program), *impersonation, *args],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=self.environment,
        )
        if check and result.returncode != 0:
            raise KubectlError(result)
        return result

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment that kubectl gets."""
        return {
            "HOME": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": os.environ.get("PATH", os.defpath),
        }
