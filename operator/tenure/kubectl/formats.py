"""Formats of the output and exit codes. The command line needs them without the rest, so they have their own module."""

from enum import IntEnum, StrEnum

from tenure.errors import TenureError


class OutputFormat(StrEnum):
    """Format of the output."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class ExitCode(IntEnum):
    """What a command says to the program that runs it."""

    DONE = 0
    FAILED = 1
    WRONG = 2
    """The command line is wrong."""
    NO = 3
    """The answer is no: the cluster rejects the change, a tool manages the object, or you can't do what you asked."""


class WrongUsageError(TenureError):
    """The options don't fit together. The text says which to give or to leave out."""


class Level(StrEnum):
    """Level of a capability that can be asked for."""

    VIEW = "View"
    FULL = "Full"
