"""The planted faults, by the part of the product that they are in."""

from tenure_dev.mutants.fault import Fault
from tenure_dev.mutants.faults import admission, keys, operator, verifier

FAULTS: tuple[Fault, ...] = (*keys.FAULTS, *operator.FAULTS, *verifier.FAULTS, *admission.FAULTS)
"""All of them; the fastest come first in each part."""
