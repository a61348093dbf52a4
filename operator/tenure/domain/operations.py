"""The operations of a request on an object."""

from enum import StrEnum


class Operation(StrEnum):
    """The operation of a request, as an AdmissionReview names it."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
