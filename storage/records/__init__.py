"""What is stored: studies, epochs, checkpoints, confirmations, the score ledger, networks."""
