"""What the commands of the same name in `search.commands.setup` do."""
