"""Modules that are imported once, by the server that workers are forked from, so that each starts in milliseconds.

Nothing here touches a GPU: a CUDA context does not survive a fork. The first optimizer of a process imports
`torch._dynamo`, which takes two seconds.
"""

import gc

import torch._dynamo  # noqa: F401

import search.workers.worker  # noqa: F401

# Everything imported here lives as long as the process: the garbage collector need not visit it or copy its pages.
gc.collect()
gc.freeze()
