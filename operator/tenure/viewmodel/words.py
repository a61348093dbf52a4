"""Words for people, and documents for programs."""

from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any

from pydantic.alias_generators import to_camel

from tenure.domain.admission.messages import span
from tenure.domain.resources.base import format_time

UNKNOWN = "unknown"
NONE = "-"


def age(moment: datetime | None, now: datetime) -> str:
    """Return how long ago something was, for example `49 d`."""
    return NONE if moment is None else span(max(now - moment, timedelta()))


def remaining(moment: datetime | None, now: datetime) -> str:
    """Return how long something still lasts, for example `12 d`."""
    if moment is None:
        return "never"
    return f"in {span(moment - now)}" if moment > now else "expired"


def as_document(value: Any) -> Any:
    """Return a page as JSON has it: field names in camelCase, times in UTC, and null for unknown."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            to_camel(one.name): as_document(getattr(value, one.name))
            for one in fields(value)
            if one.metadata.get("shown", True)
        }
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): as_document(one) for key, one in value.items()}
    return [as_document(one) for one in value] if isinstance(value, list | tuple | set | frozenset) else value


def as_yaml(*documents: Any) -> str:
    """Return YAML, with an escape for every character outside of ASCII."""
    import yaml  # noqa: PLC0415 - tables don't need it

    return str(yaml.safe_dump_all(documents, sort_keys=False, width=110)).rstrip()
