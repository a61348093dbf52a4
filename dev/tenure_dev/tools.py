"""Tools of others that tests and checks run: Helm, promtool, and kstatus as GitOps tools compute it."""

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
    # promtool asks no cloud where there is something to scrape: a fifth less to compile.
    tags="remove_all_sd",
)


@dataclass(frozen=True)
class Tools:
    """A folder that holds the tools."""

    folder: Path

    @classmethod
    def find_or_build(cls) -> "Tools":
        """Return the tools, and build them first if they aren't there; progress goes to stderr."""
        return cls(built(TOOLS))

    @classmethod
    def are_built(cls) -> bool:
        """Whether they are there already."""
        return not TOOLS.missing(TOOLS.folder)

    @property
    def helm(self) -> Path:
        """Helm."""
        return self.folder / "helm"

    @property
    def promtool(self) -> Path:
        """Prometheus' tool that checks and tests alerting rules."""
        return self.folder / "promtool"

    @property
    def kstatus(self) -> Path:
        """Reads objects as JSON, one a line, and prints the status and message of each."""
        return self.folder / "kstatus"
