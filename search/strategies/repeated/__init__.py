"""Trials that share a configuration: grouped, claimed, compared, and shown to samplers and pruners as one trial."""
