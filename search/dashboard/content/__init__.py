"""What optuna-dashboard shows of a study beside its trials: a note, plots and files, made when a page asks for them."""
