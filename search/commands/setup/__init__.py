"""Commands for what studies need: storage, spaces, data, a sound installation."""
