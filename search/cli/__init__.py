"""The command line: names, flags, exit codes. What the commands do stands in search.commands."""
