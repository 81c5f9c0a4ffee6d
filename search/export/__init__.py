"""What leaves the program: tables of trials, the best configuration, the final network, and its predictions."""
