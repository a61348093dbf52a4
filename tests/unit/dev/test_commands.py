"""The reference pages on commands and settings."""

import re

from tenure import options
from tenure_dev.generate import commands


def test_every_variable_that_a_process_knows_is_on_the_page() -> None:
    shown = re.findall(r"^\| `(TENURE_\w+)`", commands.settings_page(), re.MULTILINE)
    known = {*options.RUN_VARIABLES, *options.COMMON_VARIABLES, *options.WEBHOOK_VARIABLES, *options.VERIFIER_VARIABLES}
    assert shown == sorted(known)


def test_a_variable_names_the_commands_that_read_it() -> None:
    rows = dict(re.findall(r"^\| `(TENURE_\w+)`.*\| ([^|]+) \|$", commands.settings_page(), re.MULTILINE))
    assert rows["TENURE_RESYNC"] == "`run`"
    assert rows["TENURE_TLS_KEY_FILE"] == "`run`, `webhook`, `verifier`"


def test_every_command_is_on_its_page() -> None:
    shown = set(re.findall(r"^## `tenure (\w+)`$", commands.commands_page(), re.MULTILINE))
    assert shown == {"run", "webhook", "verifier", "impact", "probe", "revoke"}
