"""Make text safe to print. The pull request that is checked chooses names of files and people, and other texts."""

import re

from tenure.domain.text import printable

_COMMAND = re.compile(r"##(?=\[|[a-z]+\[)")
_MARKUP = re.compile(r"[\\`*_\[\]<>#|~!&$]")
_MENTION = re.compile(r"(?<![0-9A-Za-z])@")
_LINK = re.compile(r"(?<=[A-Za-z])://|\bwww\.")


def defused(text: str) -> str:
    """Return a text in which no line is a command to a CI system.

    GitHub takes `::warning` at the start of a line and `##[error]` anywhere for commands, Azure `##vso[`, and TeamCity
    `##teamcity[`.
    """
    lines = (re.sub(r"^(\s*)::", r"\1: :", line) for line in text.split("\n"))
    return _COMMAND.sub("# #", "\n".join(lines))


def as_prose(text: str) -> str:
    """Return a text for Markdown that is shown as it is: no markup, no HTML, no mention and no link."""
    escaped = _MARKUP.sub(lambda found: f"\\{found[0]}", printable(text))
    escaped = _MENTION.sub("@\u200b", escaped)
    return _LINK.sub(lambda found: found[0].replace(":", "\\:").replace(".", "\\."), escaped)
