"""Checks what Tenure has stored against its invariants, without any of Tenure's own code."""
