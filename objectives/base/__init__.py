"""The ground of this package: errors, registries, seeds, devices, files."""
