"""Lets `python -m tenure.kubectl` run the command."""

from tenure.kubectl.cli import main

main()
