"""Who is invited, and who has accepted."""
