"""The formats of the report, apart from what writes it: the command line knows them too."""

from enum import StrEnum


class OutputFormat(StrEnum):
    """How the outcome is printed."""

    TEXT = "text"
    JSON = "json"
