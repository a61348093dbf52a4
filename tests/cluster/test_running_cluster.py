"""The end-to-end tests run unchanged on a cluster that somebody else started."""

import os
import subprocess
import sys

from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT


def test_tests_run_on_a_cluster_that_is_named(control_plane: ControlPlane) -> None:
    named = {
        "TENURE_TEST_KUBECONFIG": str(control_plane.kubeconfig),
        "TENURE_TEST_AUDIT_LOG": str(control_plane.audit_log),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/e2e/test_issue.py"]
    result = subprocess.run(
        command, cwd=CHECKOUT, env={**os.environ, **named}, capture_output=True, text=True, check=False, timeout=600
    )
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout
    assert "skipped" not in result.stdout
