"""The error of the development tools."""


class ToolError(Exception):
    """An error that a developer can act on. Its text is the whole message, without a traceback."""
