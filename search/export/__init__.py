"""What leaves the service: models and tables as files, and studies followed in other programs."""
