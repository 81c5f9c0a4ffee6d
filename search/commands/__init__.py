"""The commands, one file each: in a sub-package for each part of the help, found by scanning."""
