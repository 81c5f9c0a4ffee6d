"""Where data sets come from: downloads, and data that ship with installed packages."""
