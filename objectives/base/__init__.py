"""What all other parts of this package build on: errors, registries, seeds, devices."""
