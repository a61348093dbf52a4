"""The command: read both trees of manifests, compare them, and print what the change does to keys."""

import asyncio
from datetime import UTC, datetime

import typer

from tenure.domain.impact.compare import compare
from tenure.domain.text import printable
from tenure.impact.errors import BadInputError
from tenure.impact.options import ImpactOptions
from tenure.impact.report import REPORTS
from tenure.impact.report.safe import defused
from tenure.impact.schema import find_transition_flaws
from tenure.impact.trees import read_trees

PASSES, DOES_NOT_PASS = 0, 2
"""Exit codes. It is `DOES_NOT_PASS` if the webhooks would reject a change or if revoked keys aren't acknowledged."""


def impact(options: ImpactOptions) -> int:
    """Print what the change does to keys, and return the exit code.

    Raises:
        BadInputError: a tree doesn't exist, a manifest is invalid, or something isn't recognized.
        StartRefusedError: `--live` is set and no API server can be reached.
    """
    try:
        before, after = read_trees(options.base, options.head, options.namespace, allow_empty=options.allow_empty)
    except BadInputError as error:
        # The text has names that the pull request chose.
        raise BadInputError(defused(printable(str(error)))) from error
    if options.live:
        from tenure.impact.live import read_cluster  # noqa: PLC0415 - without a cluster, no client is needed

        cluster = asyncio.run(read_cluster(before.namespaces | after.namespaces, options.context))
        before, after = cluster.over(before), after.over(cluster.without(before))
    comparison = compare(before, after, datetime.now(UTC), options.installation, schema=find_transition_flaws)
    typer.echo(REPORTS[options.output](comparison), nl=False)
    return PASSES if comparison.passes else DOES_NOT_PASS
