"""Who is invited, who has accepted, and the signed links of letters."""
