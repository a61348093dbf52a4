"""The command: read both trees, compare, and print what the change does to keys."""

import asyncio
from datetime import UTC, datetime

import typer

from tenure.domain.impact.compare import compare
from tenure.domain.installation import Installation
from tenure.impact.formats import OutputFormat
from tenure.impact.report import REPORTS
from tenure.impact.trees import read_trees

PASSES, DOES_NOT_PASS = 0, 2
"""Exit codes: every change may pass as it is; keys end unacknowledged, or a change will be refused."""


def impact(
    base: str, head: str, namespace: str, *, live: bool, installation: Installation, output: OutputFormat
) -> int:
    """Print what the change does, and return the exit code.

    Raises:
        BadInputError: there is no such tree, or a manifest can't be understood.
        StartRefusedError: there is no cluster to begin with.
    """
    before, after = read_trees(base, head, namespace)
    if live:
        from tenure.impact.live import read_cluster  # noqa: PLC0415 - without a cluster, no client is needed

        cluster = asyncio.run(read_cluster(before.namespaces | after.namespaces))
        before, after = cluster.over(before), after.over(cluster.without(before))
    comparison = compare(before, after, datetime.now(UTC), installation)
    typer.echo(REPORTS[output](comparison), nl=False)
    return PASSES if comparison.passes else DOES_NOT_PASS
