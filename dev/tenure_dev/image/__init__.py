"""Build Tenure's image from the Dockerfile, and check what is in it."""
