"""The chart of an organization, and the HelmRelease for it, as the page *Organizations by a chart* shows them."""

import re
from pathlib import Path
from typing import Any

import yaml

from tenure_dev.paths import CHECKOUT

Body = dict[str, Any]

PAGE = (CHECKOUT / "docs" / "howto" / "organizations-by-a-chart.md").read_text()
_BLOCKS = re.findall(r"^```(yaml|text)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
VALUES, CHANGED, RELEASE = (yaml.safe_load(text) for language, text in _BLOCKS if language == "yaml")
"""The values of the installation and of the role change, and the HelmRelease."""

(_TEMPLATE,) = (text for language, text in _BLOCKS if language == "text")
_CHART = {"apiVersion": "v2", "name": "organization", "version": "0.1.0"}


def write_chart(folder: Path, values: Body) -> None:
    """Write the chart with these values, in place of the one that is there."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump(_CHART))
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    (folder / "templates" / "organization.yaml").write_text(_TEMPLATE)


def without_acknowledgement(values: Body) -> Body:
    """Return the values without the lines that acknowledge a role change."""
    members = {name: {**member, "acknowledged": ""} for name, member in values["members"].items()}
    return {**values, "members": members}
