"""Modules that are imported once, by the server that workers are forked from, so that each starts in milliseconds.

Nothing here touches a GPU: a CUDA context does not survive a fork. The first optimizer of a process imports
`torch._dynamo`, which takes two seconds. Optuna's first storage imports alembic and configures the classes of its
tables, which takes 0.1 s.
"""

import gc
import importlib

# Everything imported here lives as long as the process: the garbage collector need not visit it, which took a fifth
# of the time, or copy its pages. Nor is it collected once: that would take half a second for some megabytes.
gc.disable()
for name in (
    "torch._dynamo",
    "alembic.migration",
    "search.workers.worker",
    "search.strategies.samplers.curves",
    "search.strategies.pruners.rank",
):
    importlib.import_module(name)
importlib.import_module("sqlalchemy.orm").configure_mappers()
importlib.import_module("search.strategies.gp.threads").find_libraries()  # of all that was imported
gc.freeze()
gc.enable()
