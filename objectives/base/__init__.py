"""The foundations of this package: errors, registries, seeds, devices, files, plurals."""
