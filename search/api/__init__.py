"""What the service does, for the Python API and for the command line alike."""
