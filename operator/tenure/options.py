"""Declare the options of a command as fields of a model, from which the command line is built.

A model is a frozen dataclass. Each field is an option: its annotation carries an `Option` or a `Setting`.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, MISSING, dataclass, fields
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import typer

from tenure import __version__
from tenure.environment import PREFIX

Model = TypeVar("Model")


_CONTEXT = inspect.Parameter("invoked", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


@dataclass(frozen=True)
class Option:
    """An option of a command.

    Attributes:
        help: Text in `--help`.
        names: Names on the command line. Default: the field's name with dashes.
        min: Smallest allowed number.
        max: Largest allowed number.
        check: Function that returns the value as the model stores it, or raises `ValueError`.
        complete: Function that returns the possible values that begin with a text, for the shell.
    """

    help: str
    _: KW_ONLY
    names: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    check: Callable[[Any], Any] | None = None
    complete: Callable[[typer.Context, str], list[str]] | None = None


@dataclass(frozen=True)
class Argument(Option):
    """An argument of a command, which is given without a name. `metavar` is its name in `--help`."""

    _: KW_ONLY
    metavar: str = ""


@dataclass(frozen=True)
class Setting(Option):
    """An option that you can also set with the `TENURE_*` variable that is named like its field.

    Attributes:
        chart: Path of the chart's value that sets it, for example `logs.level`. Empty if there is none.
        chart_default: Default in the chart. None means the option's default.
    """

    _: KW_ONLY
    chart: str = ""
    chart_default: object = None


CONTEXT = Option(
    "Context of your kubeconfig, instead of the current one. It is in KUBECONFIG, or else in ~/.kube/config.",
    names=("--context",),
)
"""The option of each command that people run against a cluster."""


@dataclass(frozen=True)
class Field:
    """A field of a model with its option."""

    name: str
    type: Any
    default: Any
    option: Option

    @property
    def variable(self) -> str | None:
        """The environment variable that sets the option, or None if there is none."""
        return f"{PREFIX}{self.name.upper()}" if isinstance(self.option, Setting) else None

    @property
    def flag(self) -> str:
        """The long name on the command line, for example `--log-level`."""
        return next(iter(self.option.names), f"--{self.name.replace('_', '-')}")

    @property
    def is_list(self) -> bool:
        """Whether the option can be repeated."""
        return get_origin(self.type) is tuple


def version_option(program: str) -> Any:
    """Return the option that prints the version of a program."""

    def show(wanted: bool) -> None:  # noqa: FBT001 - typer passes the flag's value by position
        if wanted:
            typer.echo(f"{program} {__version__}")
            raise typer.Exit

    return typer.Option("--version", help="Print the version.", callback=show, is_eager=True)


def options_of(model: type[Any]) -> Iterator[Field]:
    """Yield the options of a model, its own before those of its bases."""
    hints = get_type_hints(model, include_extras=True)
    defaults = {field.name: field.default for field in fields(model)}
    for name in dict.fromkeys(name for base in model.__mro__ for name in inspect.get_annotations(base)):
        kind, option = get_args(hints[name])
        yield Field(name, kind, defaults[name], option)


def variables_of(model: type[Any]) -> set[str]:
    """Return the environment variables that set options of a model."""
    return {field.variable for field in options_of(model) if field.variable is not None}


def with_options(
    model: type[Model], *, beside_others: bool = False
) -> Callable[[Callable[[Model], None]], Callable[..., None]]:
    """Turn a function that takes a model into one that takes each option, with a signature that Typer can read.

    Pass `beside_others` if the command has commands below it. It isn't run if one of these is.
    """
    found = list(options_of(model))
    more = [_CONTEXT] if beside_others else []

    def decorate(command: Callable[[Model], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**values: Any) -> None:
            if beside_others and values.pop(_CONTEXT.name).invoked_subcommand is not None:
                return
            lists = {field.name: tuple(values[field.name] or ()) for field in found if field.is_list}
            command(model(**values | lists))

        run.__signature__ = inspect.Signature([*more, *map(_parameter, found)])  # type: ignore[attr-defined]  # for `inspect`
        return run

    return decorate


def _parameter(field: Field) -> inspect.Parameter:
    option = field.option
    kind: Any = list[str] | None if field.is_list else field.type
    shared: dict[str, Any] = {
        "help": option.help,
        "min": option.min,
        "max": option.max,
        "callback": option.check and _reported(option.check),
        "autocompletion": option.complete,
    }
    if isinstance(option, Argument):
        declared = typer.Argument(metavar=option.metavar or field.name.upper(), show_default=False, **shared)
        kind = list[str] if field.is_list and field.default is MISSING else kind
    else:
        declared = typer.Option(*option.names, envvar=field.variable, **shared)
    default = (field.default or None) if field.is_list and field.default is not MISSING else field.default
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=Annotated[kind, declared],
    )


def _reported(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap a check so that Typer reports its `ValueError` as an error of the option."""

    def callback(value: Any) -> Any:
        try:
            return check(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return callback
