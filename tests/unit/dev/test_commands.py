"""The reference pages on commands and settings."""

import re

import typer

from tenure.cli import app
from tenure_dev.generate import commands


def test_every_variable_that_a_command_reads_is_on_the_page() -> None:
    shown = re.findall(r"^\| `(TENURE_\w+)`", commands.settings_page(), re.MULTILINE)
    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    read = {str(option.envvar) for each in command.commands.values() for option in each.params if option.envvar}
    assert shown == sorted(read)


def test_a_variable_names_the_commands_that_read_it_and_the_value_of_the_chart() -> None:
    page = commands.settings_page()
    rows = dict(re.findall(r"^\| `(TENURE_\w+)`.*\| ([^|]+ \| [^|]*) \|$", page, re.MULTILINE))
    assert rows["TENURE_RESYNC"] == "`run` | `controller.resyncSeconds`"
    assert rows["TENURE_TLS_KEY_FILE"] == "`run`, `webhook`, `verifier`, `mail`, `console-server` | "
    assert rows["TENURE_LOG_FORMAT"] == "`run`, `webhook`, `verifier`, `mail`, `console-server` | `logs.format`: `json`"


def test_every_command_is_on_its_page() -> None:
    shown = set(re.findall(r"^## `tenure ([\w-]+)`$", commands.commands_page(), re.MULTILINE))
    assert shown == {"run", "webhook", "verifier", "mail", "console", "console-server", "impact", "probe", "revoke"}
