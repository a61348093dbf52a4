"""Run kubectl without the user's own configuration."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tenure_dev.errors import ToolError


class KubectlError(ToolError):
    """kubectl failed. `result` has its exit code and output."""

    def __init__(self, result: subprocess.CompletedProcess[str]) -> None:
        arguments = " ".join(result.args[1:])
        super().__init__(f"kubectl {arguments}: exit code {result.returncode}\n{result.stderr.strip()}")
        self.result = result


@dataclass(frozen=True)
class Kubectl:
    """kubectl with one kubeconfig and its own home folder, so that it reads no kubeconfig or kuberc of the user."""

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
        """Run kubectl with `input` as its standard input, and impersonate `as_user`.

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
        """All environment variables that kubectl gets."""
        return {
            "HOME": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": os.environ.get("PATH", os.defpath),
        }
