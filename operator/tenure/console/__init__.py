"""The console: pages of organizations, members and keys for a person's browser, with that person's rights."""
