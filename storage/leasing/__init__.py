"""Which worker holds which trial: leases, fencing, budget slots, the workers themselves, recovery from dead ones."""
