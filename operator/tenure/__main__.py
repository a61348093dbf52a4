"""Run the command `tenure` as `python -m tenure`."""

from tenure.cli import main

main()
