"""`python -m bench`: run the scenarios, print the tables, keep the figures."""

import asyncio
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.admission import WEBHOOKS
from bench.api import Api
from bench.figures import Outcome
from bench.operators import OPERATORS, PEER, Launcher
from bench.report import keep, print_scenario, print_targets
from bench.scenario import Bench, Scenario, Size
from bench.scenarios import scenarios
from bench.targets import targets
from bench.wrk import wrk_missing
from tenure_dev.build import find_or_build
from tenure_dev.controlplane import ControlPlane
from tenure_dev.errors import ToolError
from tenure_dev.paths import CRDS

_NAMES = list(dict.fromkeys(scenario.name for scenario in scenarios(Size())))

out = Console()
progress = Console(stderr=True)


def _known(names: list[str] | None) -> list[str]:
    for name in names or ():
        if name not in _NAMES:
            raise typer.BadParameter(f"{name!r} is no scenario; there are {', '.join(_NAMES)}")
    return names or _NAMES


def main(
    scenario: Annotated[
        list[str] | None,
        typer.Option(help=f"Run this scenario only; repeat it for several: {', '.join(_NAMES)}.", callback=_known),
    ] = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: seconds, and figures that say little.")] = False,
    keys: Annotated[int | None, typer.Option(min=1, help="Number of keys in scale, backlog and outage.")] = None,
) -> None:
    """Measure Tenure beside a plain Kopf operator on one control plane; nothing here passes or fails."""
    chosen = [each for each in scenarios(Size(quick, keys)) if each.name in (scenario or _NAMES)]
    if any(each.name == "verify" for each in chosen) and (reason := wrk_missing()):
        progress.print(reason, markup=False)
        if scenario != _NAMES:
            raise typer.Exit(1)
        chosen = [each for each in chosen if each.name != "verify"]
    if any(each.name == "burst" for each in chosen) and (reason := PEER.missing()):
        progress.print(reason, markup=False)
    with tempfile.TemporaryDirectory(prefix="tenure-bench-") as folder:
        try:
            with ControlPlane.start(find_or_build(), Path(folder), audit=True, crds=CRDS) as plane:
                outcomes = asyncio.run(_measure(plane, chosen))
        except ToolError as error:
            progress.print(str(error), markup=False)
            raise typer.Exit(1) from None
    reached = list(targets(outcomes))
    print_targets(out, reached)
    path = keep(outcomes, reached, {each.name: each.title for each in chosen})
    progress.print(f"Kept in {path}")


async def _measure(plane: ControlPlane, chosen: Sequence[Scenario]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    async with Api(plane) as api:
        launcher = Launcher(plane, api)
        await launcher.prepare((*OPERATORS, *WEBHOOKS))
        for scenario in chosen:
            with progress.status(scenario.title) as status:
                tell = status.update if progress.is_terminal else progress.print
                bench = Bench(plane, api, launcher, tell)
                async with contextlib.aclosing(scenario.run(bench)) as found:
                    mine = [outcome async for outcome in found]
            print_scenario(out, scenario.title, mine)
            outcomes += mine
    return outcomes


if __name__ == "__main__":
    typer.run(main)
