"""`kubectl tenure`: see members and keys, preview changes and make them, with the rights of the person who runs it."""
