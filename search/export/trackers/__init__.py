"""Studies followed in TensorBoard, MLflow, W&B, Trackio or a user's own tracker, and the command at a study's end."""
