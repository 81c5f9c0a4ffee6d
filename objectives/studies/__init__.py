"""The shipped objectives, one file each; a file's name with dashes is the objective's name."""
