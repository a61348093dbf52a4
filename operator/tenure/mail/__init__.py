"""The program `tenure mail`: sends invitations and notices, and serves the links in them."""
