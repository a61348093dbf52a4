"""Write what a release consists of into one folder."""
