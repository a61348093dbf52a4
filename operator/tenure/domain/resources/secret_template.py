"""What an ApiKey adds to its Secret: labels, annotations and a further data key."""

from typing import Annotated

from pydantic import Field

from tenure.domain.resources.base import Model, shaped

LabelValue = Annotated[str, Field(max_length=63)]
AnnotationValue = Annotated[str, Field(max_length=4096)]
DataKey = Annotated[
    str,
    shaped(
        r"^[a-zA-Z_][-._a-zA-Z0-9]*$",
        "must be a Secret's data key of letters, digits, '-', '_' and '.' that begins with a letter or '_', "
        "for example API_KEY",
        max_length=253,
    ),
]


class SecretTemplate(Model):
    """Labels, annotations and a further data key for the Secret."""

    token_key: DataKey | None = None
    """A second data key for the token, for example API_KEY, as programs need it that take all data of a Secret as their
    environment. The data key token is always there."""

    labels: dict[str, LabelValue] | None = Field(default=None, max_length=20)
    """Labels for the Secret. Tenure sets only those that start with one of the organization's
    secretMetadataPrefixes."""

    annotations: dict[str, AnnotationValue] | None = Field(default=None, max_length=20)
    """Annotations for the Secret. Tenure sets only those that start with one of the organization's
    secretMetadataPrefixes."""
