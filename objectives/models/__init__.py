"""Networks, activations and initializers that a study can choose from."""
