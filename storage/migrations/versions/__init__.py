"""One script for each version. A script is never changed once a storage may have been upgraded by it.

Scripts hold plain SQL and import nothing of this program: they must still work when everything else has changed.
"""
