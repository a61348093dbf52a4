"""What the commands of the runbooks find."""

import json
import re
import shlex
import subprocess
from typing import Any

from tenure_dev.controlplane import ControlPlane
from tenure_dev.paths import CHECKOUT


def audited(plane: ControlPlane, runbook: str, **values: str) -> list[dict[str, Any]]:
    """What a runbook's command finds in the audit log; `values` stand in the place of words such as REQUEST_ID."""
    assert plane.audit_log is not None
    page = (CHECKOUT / "docs" / "runbooks" / f"{runbook}.md").read_text()
    (command,) = re.findall(r"^ *(grep .* audit\.log)$", page, re.MULTILINE)
    for word, value in values.items():
        assert word in command
        command = command.replace(word, value)
    folder = plane.audit_log.parent
    result = subprocess.run(shlex.split(command), cwd=folder, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in result.stdout.splitlines()]
