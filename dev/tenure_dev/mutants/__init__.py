"""Plant faults: remove one guard after the other in a copy of the checkout, and check that a test fails."""
