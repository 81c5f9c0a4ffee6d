"""What each command does: plain functions that the command line calls."""
