"""Learning-rate schedules that a study can choose from."""
