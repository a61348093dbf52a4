"""The development tools' command line."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tenure_dev import monitoring, prose
from tenure_dev.build import find_or_build
from tenure_dev.chart import rendered_files
from tenure_dev.demo import run_demo
from tenure_dev.errors import ToolError
from tenure_dev.generate import files
from tenure_dev.image.build import build_image
from tenure_dev.mutants.command import choose, list_faults, run_mutants
from tenure_dev.mutants.mutation import run_mutation
from tenure_dev.node.command import UNFIT, UpNode, prepare_all, run_in_node
from tenure_dev.node.machine import UnfitError
from tenure_dev.paths import CHECKOUT, DIST, UP, UP_NODE
from tenure_dev.release.build import build_release, summary
from tenure_dev.tools import Tools
from tenure_dev.up import Up, kubectl_hint

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Tenure's development tools.",
)

Folder = Annotated[Path, typer.Option(help="Where everything is kept.", resolve_path=True)]
Command = Annotated[list[str], typer.Argument(help="The command and its arguments, after `--`.")]
WithOperator = Annotated[bool, typer.Option(help="Run Tenure on it.")]

Names = Annotated[list[str] | None, typer.Argument(help="Parts of the names of faults; none: all of them.")]
Modules = Annotated[list[str] | None, typer.Argument(help="Parts of the paths of modules; none: all of the domain.")]
Quick = Annotated[bool, typer.Option(help="Only those that unit tests catch, which need no control plane.")]
OnlyList = Annotated[bool, typer.Option("--list", help="List them, and do nothing.")]

TRY = """\
# Try:
#   kubectl apply --filename manifests/samples/
#   kubectl get tenure --all-namespaces
#   kubectl patch membership alice -n acme --type merge -p '{"spec":{"role":"Viewer"}}' --dry-run=server
#   curl -i "$VERIFIER_URL/v1/authorize?namespace=acme&capability=costs" -H "X-Api-Key: …"   (a token from a Secret)
# Stop it: make down"""

TRY_NODE = """\
# Enter it:
#   alias in-node='.venv/bin/python -m tenure_dev node-enter --'
#   in-node helm install tenure helm/tenure -n tenure-system --create-namespace --wait
#   in-node helm test tenure -n tenure-system
#   in-node kubectl get pods --all-namespaces
#   in-node bash
# Stop it: make down-node"""


@app.command("control-plane")
def control_plane() -> None:
    """Find the control plane's programs, or build them once; the last line on stdout is their folder."""
    typer.echo(find_or_build().folder)


@app.command()
def helm() -> None:
    """Find Helm and what else tests need of others, or get it once; the last line on stdout is Helm's path."""
    monitoring.find_or_fetch()
    typer.echo(Tools.find_or_build().helm)


@app.command()
def image(
    *,
    output: Annotated[Path, typer.Option(help="File for the image.", resolve_path=True)] = DIST / "tenure-image.tar",
    tag: Annotated[str | None, typer.Option(help="Name and tag; by default tenure and its version.")] = None,
) -> None:
    """Build the image into a file that `docker load` and `ctr images import` read, whose path is the last line."""
    build_image(output, tag=tag)
    typer.echo(output)


@app.command()
def release(
    *,
    output: Annotated[Path, typer.Option(help="An empty folder.", resolve_path=True)] = DIST,
    images: Annotated[bool, typer.Option(help="Build the images, too.")] = True,
) -> None:
    """Write everything that a release consists of into a folder, and try it."""
    typer.echo(summary(build_release(output, images=images)))


@app.command()
def generate(
    *, check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file would change.")] = False
) -> None:
    """Write the files that follow from the code: CRDs, reference pages, the chart's files, manifests/install.yaml."""
    changed = _update(files.generated_files(), check=check)
    if check and not Tools.are_built():
        typer.echo("not checked, because Helm isn't here: manifests/install.yaml; get Helm with `make helm`")
    else:
        changed += _update(rendered_files(), check=check)  # Last, because Helm reads files that were just written.
    if check and changed:
        raise ToolError("run `make generate` and commit the result")


def _update(texts: Mapping[Path, str], *, check: bool) -> list[Path]:
    """Write the files that would change, unless `check` is set, and return their paths."""
    changed = files.changed_files(CHECKOUT, texts)
    for path in changed:
        typer.echo(f"{'out of date' if check else 'written'}: {path}")
        if not check:
            (CHECKOUT / path).parent.mkdir(parents=True, exist_ok=True)
            (CHECKOUT / path).write_text(texts[path], encoding="utf-8")
    return changed


@app.command()
def up(*, folder: Folder = UP, operator: WithOperator = True) -> None:
    """Start a control plane with Tenure in the background."""
    background = Up(folder)
    started = background.up(with_operator=operator)
    typer.echo(f"# Tenure is {'up' if started else 'already running'}. Everything is in {folder}.")
    typer.echo(f"export KUBECONFIG={background.kubeconfig}")
    if url := background.verifier_url:
        typer.echo(f"export VERIFIER_URL={url}")
    if hint := kubectl_hint(find_or_build()):
        typer.echo(hint)
    typer.echo(TRY)


@app.command()
def down(*, folder: Folder = UP) -> None:
    """Stop what `up` started and remove its folder."""
    typer.echo("Stopped." if Up(folder).down() else "Nothing was running.")


@app.command("node-prepare")
def node_prepare() -> None:
    """Get everything that a real node takes; the last line on stdout is the archive of Tenure's image."""
    typer.echo(prepare_all())


@app.command("node-run", context_settings={"ignore_unknown_options": True})
def node_run(command: Command) -> None:
    """Run a command in a real node of its own; exit with 69 if no node runs on this machine."""
    try:
        code = run_in_node(command)
    except UnfitError as error:
        typer.echo(f"No node can run here: {error}", err=True)
        sys.exit(UNFIT)
    sys.exit(code)


@app.command("node-up")
def node_up(*, folder: Folder = UP_NODE) -> None:
    """Start a real node in the background."""
    started = UpNode(folder).up()
    typer.echo(f"# The node is {'up' if started else 'already running'}. Everything is in {folder}.")
    typer.echo(TRY_NODE)


@app.command("node-down")
def node_down(*, folder: Folder = UP_NODE) -> None:
    """Stop what `node-up` started and remove its folder."""
    typer.echo("Stopped." if UpNode(folder).down() else "Nothing was running.")


@app.command("node-enter", context_settings={"ignore_unknown_options": True})
def node_enter(command: Command, *, folder: Folder = UP_NODE) -> None:
    """Run a command, such as kubectl, helm or bash, in the node of `node-up`."""
    line, environment = UpNode(folder).enter(command)
    os.execvpe(line[0], line, environment)  # noqa: S606  (no shell is wanted)


@app.command("node-supervise", hidden=True)
def node_supervise(*, folder: Folder = UP_NODE) -> None:
    """Run in the foreground what `node-up` runs in the background."""
    UpNode(folder).supervise()


@app.command()
def demo() -> None:
    """Show a role change, and what it costs, on a control plane of its own."""
    run_demo()


@app.command("prose")
def lint_prose(
    *, counts: Annotated[bool, typer.Option("--counts", help="Print the counts of each page too.")] = False
) -> None:
    """Compare the prose of hand-written pages and of printed texts with the bounds for it."""
    pages = prose.read(CHECKOUT)
    if counts:
        typer.echo(prose.table(pages))
    if found := prose.complaints(pages):
        raise ToolError("\n".join(found))


@app.command()
def mutants(names: Names = None, *, quick: Quick = False, only_list: OnlyList = False) -> None:
    """Take the guards away by turns in a copy of the checkout, and say which test notices."""
    chosen = choose(names or (), quick=quick)
    if only_list:
        list_faults(chosen)
    elif not run_mutants(chosen):
        sys.exit(1)


@app.command()
def mutation(modules: Modules = None) -> None:
    """Have mutmut change the domain in hundreds of small ways in a copy, and count what unit tests notice."""
    run_mutation(modules or ())


@app.command(hidden=True)
def supervise(*, folder: Folder = UP, operator: WithOperator = True) -> None:
    """Run in the foreground what `up` runs in the background."""
    Up(folder).supervise(with_operator=operator)


def main() -> None:
    """Run the command line, and print a `ToolError` without a traceback."""
    try:
        app()
    except ToolError as error:
        typer.echo(error, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
