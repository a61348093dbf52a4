"""The formats of the report, in a module of their own because the command line needs them without the report."""

from enum import StrEnum


class OutputFormat(StrEnum):
    """Format of the report."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
