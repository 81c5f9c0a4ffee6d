"""Trials that train on several devices: a process for each, which torch.distributed calls a rank, under one worker.

The worker trains nothing itself. It alone has the lease and the storage; the ranks know neither, and end with it.
"""
