"""The one error of the development tools that a person is meant to read."""


class ToolError(Exception):
    """Something a developer can act on; its text is the whole message, and no traceback is shown."""
