"""How the commands that take results elsewhere show what they did."""
