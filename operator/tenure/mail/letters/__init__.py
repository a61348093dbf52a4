"""Writes and sends letters: templates, messages, the mail server, the ledger, and the rounds of the leader."""
