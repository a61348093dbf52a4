"""`tenure revoke`: revoke the keys that were issued before a moment, with the rights of the person who runs it."""
