"""The development tools' command line."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tenure_dev import engines as gitops_engines
from tenure_dev import monitoring, prose
from tenure_dev.build import find_or_build
from tenure_dev.chart import rendered_files
from tenure_dev.demo import run_demo
from tenure_dev.errors import ToolError
from tenure_dev.generate import files
from tenure_dev.image.build import build_image
from tenure_dev.invariants.judge import summary as violations_summary
from tenure_dev.invariants.read import find_violations
from tenure_dev.kubectl import Kubectl
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

Folder = Annotated[Path, typer.Option(help="Folder for all files, logs included.", resolve_path=True)]
Command = Annotated[list[str], typer.Argument(help="Command and its arguments, after `--`.")]
WithOperator = Annotated[bool, typer.Option(help="Start Tenure too, not only the control plane.")]
WithMail = Annotated[bool, typer.Option(help="Start a mail server and the mail process too.")]

Engines = Annotated[list[str] | None, typer.Argument(help="Engines: argocd or flux. By default both.")]
Names = Annotated[
    list[str] | None, typer.Argument(help="Words in the names of faults. By default all faults are planted.")
]
Modules = Annotated[
    list[str] | None, typer.Argument(help="Words in the paths of modules. By default the whole domain.")
]
Quick = Annotated[bool, typer.Option(help="Plant only the faults that unit tests catch, without a control plane.")]
OnlyList = Annotated[bool, typer.Option("--list", help="List the faults, and plant none.")]

TRY = """\
# Try:
#   kubectl apply --filename manifests/samples/
#   kubectl get tenure --all-namespaces
#   kubectl patch membership alice -n acme --type merge -p '{"spec":{"role":"Viewer"}}' --dry-run=server
#   curl -i "$VERIFIER_URL/v1/authorize?namespace=acme&capability=costs" -H "X-Api-Key: …"   (a token from a Secret)
#   open "$CONSOLE_URL" in a browser: the console, with the rights of an administrator"""

TRY_MAIL = """\
# Invite a person (here at once. In a cluster, those who come within ten minutes of their organization get no letter):
#   kubectl patch organization acme -n acme --type merge -p '{"spec":{"invitations":{"mode":"RequireAcceptance"}}}'
#   kubectl apply -n acme -f dev/demo/carol.yaml
#   open "$LETTER_URL" in a browser: it shows the newest letter. Its link leads to the accept page
#   To send it again, follow docs/howto/invite-people.md with $MAIL_URL as the address of the mail process"""

TRY_NODE = """\
# Enter it:
#   alias in-node='.venv/bin/python -m tenure_dev node-enter --'
#   in-node helm install tenure helm/tenure -n tenure-system --create-namespace --wait
#   in-node helm test tenure -n tenure-system
#   in-node kubectl get pods --all-namespaces
#   in-node bash"""


@app.command("control-plane")
def control_plane() -> None:
    """Find the control plane's programs, or download or build them once. The last line on stdout is their folder."""
    typer.echo(find_or_build().folder)


@app.command()
def helm() -> None:
    """Find Helm, promtool and Prometheus' CRDs, or get them once. The last line on stdout is Helm's path."""
    monitoring.find_or_fetch()
    typer.echo(Tools.find_or_build().helm)


@app.command()
def engines(names: Engines = None) -> None:
    """Build Argo CD and Flux if they aren't built yet, and print their folders."""
    for module in gitops_engines.build(names or ()):
        typer.echo(module.folder)


@app.command()
def image(
    *,
    output: Annotated[Path, typer.Option(help="File for the image.", resolve_path=True)] = DIST / "tenure-image.tar",
    tag: Annotated[str | None, typer.Option(help="Name and tag. By default tenure and its version.")] = None,
) -> None:
    """Build the image into a file for `docker load` or `ctr images import`. The last line on stdout is its path."""
    build_image(output, tag=tag)
    typer.echo(output)


@app.command()
def release(
    *,
    output: Annotated[Path, typer.Option(help="Empty folder for the release.", resolve_path=True)] = DIST,
    images: Annotated[bool, typer.Option(help="Build the images too.")] = True,
) -> None:
    """Write all files of a release into a folder, and try them."""
    typer.echo(summary(build_release(output, images=images)))


@app.command()
def generate(
    *, check: Annotated[bool, typer.Option("--check", help="Write no file, and fail if one would change.")] = False
) -> None:
    """Write the generated files: CRDs, reference pages, the chart's files and manifests/install.yaml."""
    changed = _update(files.generated_files(), check=check)
    if check and not Tools.are_built():
        typer.echo("manifests/install.yaml isn't checked, because Helm is missing. Get Helm with `make helm`")
    else:
        changed += _update(rendered_files(), check=check)  # Last, because Helm reads files that were just written.
    if check and changed:
        raise ToolError("Generated files are out of date. Run `make generate` and commit the result")


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
def up(*, folder: Folder = UP, operator: WithOperator = True, mail: WithMail = False) -> None:
    """Start a control plane with Tenure in the background."""
    background = Up(folder)
    started = background.up(with_operator=operator, with_mail=mail)
    typer.echo(f"# Tenure is {'up' if started else 'already running'}. Everything is in {folder}.")
    typer.echo(f"export KUBECONFIG={background.kubeconfig}")
    if url := background.verifier_url:
        typer.echo(f"export VERIFIER_URL={url}")
    if address := background.console_url:
        typer.echo(f"export CONSOLE_URL={address}")
    if background.mail_url:
        typer.echo(f"export LETTER_URL={background.letter_url}")
        typer.echo(f"export MAIL_URL={background.mail_url}")
    if hint := kubectl_hint(find_or_build()):
        typer.echo(hint)
    typer.echo(TRY)
    if background.mail_url:
        typer.echo(TRY_MAIL)
    typer.echo(f"# Stop it: {_stop('down', 'down', folder, UP)}")


def _stop(target: str, command: str, folder: Path, usual: Path) -> str:
    """Return the command that stops what runs in a folder. Make knows only the usual one."""
    return f"make {target}" if folder == usual else f"{sys.executable} -m tenure_dev {command} --folder={folder}"


@app.command()
def down(*, folder: Folder = UP) -> None:
    """Stop what `up` started and remove its folder."""
    typer.echo("Stopped." if Up(folder).down() else "Nothing was running.")


@app.command("node-prepare")
def node_prepare() -> None:
    """Get all packages, programs and images of a node. The last line on stdout is the archive of Tenure's image."""
    typer.echo(prepare_all())


@app.command("node-run", context_settings={"ignore_unknown_options": True})
def node_run(command: Command) -> None:
    """Start a real node, run a command in it, and stop it. The exit code is 69 if this machine can't run a node."""
    try:
        code = run_in_node(command)
    except UnfitError as error:
        typer.echo(f"This machine can't run a node: {error}", err=True)
        sys.exit(UNFIT)
    sys.exit(code)


@app.command("node-up")
def node_up(*, folder: Folder = UP_NODE) -> None:
    """Start a real node in the background."""
    started = UpNode(folder).up()
    typer.echo(f"# The node is {'up' if started else 'already running'}. Everything is in {folder}.")
    typer.echo(TRY_NODE)
    typer.echo(f"# Stop it: {_stop('down-node', 'node-down', folder, UP_NODE)}")


@app.command("node-down")
def node_down(*, folder: Folder = UP_NODE) -> None:
    """Stop what `node-up` started and remove its folder."""
    typer.echo("Stopped." if UpNode(folder).down() else "Nothing was running.")


@app.command("node-enter", context_settings={"ignore_unknown_options": True})
def node_enter(command: Command, *, folder: Folder = UP_NODE) -> None:
    """Run a command in the node of `node-up`, for example kubectl, helm or bash."""
    line, environment = UpNode(folder).enter(command)
    os.execvpe(line[0], line, environment)  # noqa: S606  (no shell is wanted)


@app.command("node-supervise", hidden=True)
def node_supervise(*, folder: Folder = UP_NODE) -> None:
    """Run the node of `node-up` in the foreground."""
    UpNode(folder).supervise()


@app.command()
def demo() -> None:
    """Show on a real control plane which keys a role change revokes."""
    run_demo()


@app.command("prose")
def lint_prose(
    *, counts: Annotated[bool, typer.Option("--counts", help="Print the counts of each page too.")] = False
) -> None:
    """Compare hand-written pages and printed texts with the bounds for prose."""
    pages = prose.read(CHECKOUT)
    if counts:
        typer.echo(prose.table(pages))
    if found := prose.complaints(pages):
        raise ToolError("\n".join(found))


@app.command()
def invariants(kubeconfig: Annotated[Path, typer.Argument(help="Kubeconfig of the cluster.", exists=True)]) -> None:
    """Check what Tenure has stored against its invariants, by reading only. Run it when nothing changes any more."""
    found = find_violations(Kubectl(find_or_build().kubectl, kubeconfig, kubeconfig.parent))
    typer.echo(violations_summary(found, most=len(found)) or "All invariants hold.")
    if found:
        sys.exit(1)


@app.command()
def mutants(names: Names = None, *, quick: Quick = False, only_list: OnlyList = False) -> None:
    """Plant faults in a copy of the checkout, one at a time, and print which test catches each."""
    chosen = choose(names or (), quick=quick)
    if only_list:
        list_faults(chosen)
    elif not run_mutants(chosen):
        sys.exit(1)


@app.command()
def mutation(modules: Modules = None) -> None:
    """Let mutmut change a copy of the domain in hundreds of small ways, and count the changes that unit tests catch."""
    run_mutation(modules or ())


@app.command(hidden=True)
def supervise(*, folder: Folder = UP, operator: WithOperator = True, mail: WithMail = False) -> None:
    """Run the control plane and Tenure of `up` in the foreground."""
    Up(folder).supervise(with_operator=operator, with_mail=mail)


def main() -> None:
    """Run the command line, and print a `ToolError` without a traceback."""
    try:
        app()
    except ToolError as error:
        typer.echo(error, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
