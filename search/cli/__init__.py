"""The command line: finds the commands in search.commands, runs one, turns errors into exit codes."""
