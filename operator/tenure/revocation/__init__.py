"""`tenure revoke`: end the keys that were issued before a moment, with the rights of whoever asks."""
