"""The service: command line, studies, workers, the final step, the dashboard."""
