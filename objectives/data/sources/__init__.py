"""The sources of data sets: downloads, and data in installed packages."""
