"""The controller's record of use: it asks every verifier when keys were used, and has the days written."""
