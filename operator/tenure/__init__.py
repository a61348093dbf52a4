"""Organizations, memberships and API keys on Kubernetes: a key lives as long as the role it was issued under."""

__version__ = "0.1.0"
