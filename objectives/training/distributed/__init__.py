"""One network trained on several devices: what each of them does, and what they exchange after every step."""
