"""The options of `tenure impact`."""

from dataclasses import dataclass
from typing import Annotated

from tenure.impact.formats import OutputFormat
from tenure.options import CONTEXT, Option
from tenure.settings import RuleSettings


@dataclass(frozen=True, kw_only=True)
class ImpactOptions(RuleSettings):
    """Two trees of manifests, and how to compare them."""

    base: Annotated[str, Option("Manifests before the change: a folder, a Git revision, or - for standard input.")]
    head: Annotated[str, Option("Manifests after the change: a folder, a Git revision, or - for standard input.")]
    output: Annotated[OutputFormat, Option("Format of the report.", names=("--output", "-o"))] = OutputFormat.TEXT
    namespace: Annotated[str, Option("Namespace of objects that name none.")] = "default"
    allow_empty: Annotated[bool, Option("Accept a tree without any object of Tenure's.", names=("--allow-empty",))] = (
        False
    )
    live: Annotated[
        bool,
        Option("Start from the objects in the cluster of your kubeconfig. Tenure only lists them.", names=("--live",)),
    ] = False
    context: Annotated[str, CONTEXT] = ""
