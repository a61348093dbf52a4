"""The tools that tests and checks use: Helm, promtool, and a program that computes kstatus as GitOps tools do."""

from dataclasses import dataclass
from pathlib import Path

from tenure_dev.build import built
from tenure_dev.gomodule import GoModule
from tenure_dev.paths import TOOLS_MODULE

TOOLS = GoModule(
    name="tools",
    source=TOOLS_MODULE,
    store="tools",
    programs={
        "helm": "helm.sh/helm/v4/cmd/helm",
        "kstatus": "tenure.dev/tools/kstatus",
        "promtool": "github.com/prometheus/prometheus/cmd/promtool",
    },
    named_after="helm.sh/helm/v4",
    core_minutes=5,
    # promtool is built without service discovery of clouds, which saves a fifth of the compilation.
    tags="remove_all_sd",
)


@dataclass(frozen=True)
class Tools:
    """A folder with the tools."""

    folder: Path

    @classmethod
    def find_or_build(cls) -> "Tools":
        """Return the tools, and build them first if they aren't there. Progress goes to stderr."""
        return cls(built(TOOLS))

    @classmethod
    def are_built(cls) -> bool:
        """Tell whether the tools are built already."""
        return not TOOLS.missing(TOOLS.folder)

    @property
    def helm(self) -> Path:
        """The path of Helm."""
        return self.folder / "helm"

    @property
    def promtool(self) -> Path:
        """The path of promtool, with which Prometheus checks and tests alerting rules."""
        return self.folder / "promtool"

    @property
    def kstatus(self) -> Path:
        """The path of kstatus. It reads objects as JSON lines and prints the status and message of each."""
        return self.folder / "kstatus"
