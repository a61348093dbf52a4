"""The GitOps engines that `make e2e-engines` runs: Argo CD and Flux, built from their Go modules."""

from collections.abc import Iterable

from tenure_dev.build import build_together
from tenure_dev.errors import ToolError
from tenure_dev.gomodule import GoModule
from tenure_dev.paths import ENGINES

_FLUX = {name: f"github.com/fluxcd/{name}" for name in ("source-controller", "kustomize-controller", "helm-controller")}
_QUICKLY = "-N -l -dwarf=false"
"""Without optimizations, compiling takes about half the time, and the engines have little to do."""

FLUX = GoModule(
    name="Flux",
    source=ENGINES / "flux",
    store="flux",
    programs=_FLUX,
    named_after="github.com/fluxcd/kustomize-controller",
    core_minutes=25,
    compile_flags=_QUICKLY,
    files={f"{name}-crds": (module, "config/crd/bases") for name, module in _FLUX.items()},
)

ARGOCD = GoModule(
    name="Argo CD",
    source=ENGINES / "argocd",
    store="argocd",
    programs={"argocd": "tenure.dev/engines/argocd/argocd"},
    named_after="github.com/argoproj/argo-cd/v3",
    core_minutes=30,
    compile_flags=_QUICKLY,
    # Argo CD's own installation: kinds, ServiceAccounts, rights and settings.
    files={"install.yaml": ("github.com/argoproj/argo-cd/v3", "manifests/install.yaml")},
)

MODULES = {"flux": FLUX, "argocd": ARGOCD}
"""Each engine by the name that `make e2e-engines ENGINES=…` knows it by."""


def build(names: Iterable[str]) -> list[GoModule]:
    """Return the engines of these names, or all if there are none, and build those first that aren't there.

    Raises `ToolError` if a name is unknown, or if downloading or building fails.
    """
    chosen = list(names) or list(MODULES)
    if unknown := sorted(set(chosen) - set(MODULES)):
        raise ToolError(f"There is no engine {', '.join(unknown)}. The engines are {', '.join(MODULES)}.")
    modules = [MODULES[name] for name in chosen]
    build_together(*modules)
    return modules
