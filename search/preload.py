"""Imported once by the server that workers are forked from, so that each starts in milliseconds.

Nothing here touches a GPU: a CUDA context does not survive a fork.
"""

import search.worker  # noqa: F401
