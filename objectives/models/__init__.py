"""The networks, activations, normalizations and initializers that a study can choose from."""
