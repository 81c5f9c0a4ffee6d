"""Which worker holds which trial: leases, fencing, the workers themselves, and recovery from dead ones."""
