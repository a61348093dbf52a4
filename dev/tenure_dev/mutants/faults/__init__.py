"""The planted faults, one module for each part of Tenure."""

from tenure_dev.mutants.fault import Fault
from tenure_dev.mutants.faults import accept_page, admission, connection, invitations, keys, mail, operator, verifier

FAULTS: tuple[Fault, ...] = (
    *keys.FAULTS,
    *invitations.FAULTS,
    *operator.FAULTS,
    *connection.FAULTS,
    *verifier.FAULTS,
    *admission.FAULTS,
    *mail.FAULTS,
    *accept_page.FAULTS,
)
"""All planted faults. In each part, those with the fastest tests come first."""
