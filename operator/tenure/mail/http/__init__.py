"""The accept page of invitations, and the API for resends and for texts to copy."""
