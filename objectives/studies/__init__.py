"""The shipped objectives, one file each; the objective's name is the file's name with dashes."""
