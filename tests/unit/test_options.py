"""A command is made from a model: each field is an option, and a variable where it is a setting."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from tenure.options import Option, Setting, options_of, variables_of, with_options


class Colour(StrEnum):
    RED = "Red"
    GREEN = "Green"


def even(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


@dataclass(frozen=True, kw_only=True)
class Base:
    colour: Annotated[Colour, Setting("Its colour.")] = Colour.RED


@dataclass(frozen=True, kw_only=True)
class Model(Base):
    title: Annotated[str, Option("Its title.", names=("--title", "-t"))]
    count: Annotated[int, Setting("How many.", min=0, max=10, check=even)] = 2
    places: Annotated[tuple[str, ...], Setting("Where.", names=("--place",))] = ()
    file: Annotated[Path | None, Setting("From where.")] = None
    loud: Annotated[bool, Setting("Whether it is loud.")] = True


def given(*args: str, **environ: str) -> Model:
    """What the command is given for a command line and variables."""
    models: list[Model] = []
    app = typer.Typer()

    @app.command()
    @with_options(Model)
    def command(model: Model) -> None:
        models.append(model)

    result = CliRunner().invoke(app, args, env=environ, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return models.pop()


def refused(*args: str, **environ: str) -> str:
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @with_options(Model)
    def command(model: Model) -> None:
        pytest.fail(f"{model} should have been refused")

    result = CliRunner().invoke(app, args, env=environ)
    assert result.exit_code == 2
    return result.output


def test_without_options_the_defaults_of_the_model_hold() -> None:
    assert given("-t", "a") == Model(title="a")


def test_every_kind_of_option() -> None:
    args = ["--title=a", "--count=4", "--place=x", "--place=y", "--file=z", "--no-loud", "--colour=Green"]
    expected = Model(title="a", count=4, places=("x", "y"), file=Path("z"), loud=False, colour=Colour.GREEN)
    assert given(*args) == expected


def test_a_variable_sets_what_no_option_sets() -> None:
    variables = {"TENURE_COUNT": "4", "TENURE_PLACES": "x y", "TENURE_LOUD": "false", "TENURE_COLOUR": "Green"}
    expected = Model(title="a", count=6, places=("x", "y"), loud=False, colour=Colour.GREEN)
    assert given("--title=a", "--count=6", **variables) == expected


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "Missing option '--title'"),
        (("-t", "a", "--count=12"), "--count"),
        (("-t", "a", "--count=-2"), "--count"),
        (("-t", "a", "--count=x"), "--count"),
        (("-t", "a", "--count=3"), "'--count' (env var: 'TENURE_COUNT'): 3 is odd"),
        (("-t", "a", "--colour=Blue"), "--colour"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_its_option(args: tuple[str, ...], says: str) -> None:
    assert says in refused(*args)


def test_a_value_of_a_variable_is_checked_like_that_of_an_option() -> None:
    assert "3 is odd" in refused("-t", "a", TENURE_COUNT="3")


def test_only_settings_have_variables() -> None:
    assert variables_of(Model) == {"TENURE_COUNT", "TENURE_PLACES", "TENURE_FILE", "TENURE_LOUD", "TENURE_COLOUR"}


def test_options_of_a_model_come_before_those_of_its_base() -> None:
    flags = [field.flag for field in options_of(Model)]
    assert flags == ["--title", "--count", "--place", "--file", "--loud", "--colour"]
