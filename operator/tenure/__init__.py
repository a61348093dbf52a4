"""A key lives exactly as long as the role it was issued under."""

__version__ = "0.1.0"
