"""The formats of the report, apart from what writes it: the command line knows them too."""

from enum import StrEnum


class OutputFormat(StrEnum):
    """How the impact is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
