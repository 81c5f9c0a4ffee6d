"""A decoded copy that a process trains on for a long time, and whether it still is what was compared."""

from __future__ import annotations

from objectives.data.files.errors import CacheError
from objectives.data.files.prepared import Prepared, read_stamp


class MappedCopy:
    """The decoded copy that this process trains on."""

    def __init__(self, prepared: Prepared) -> None:
        """Take over a copy whose content was compared with its fingerprint just now."""
        self._prepared = prepared
        self._stamp = prepared.stamp

    def check(self) -> None:
        """Check that nobody has written other content into the files; they are read only if their state has changed.

        Files that are gone, or that others have replaced, are still what the process has mapped.

        Raises:
            CacheError: somebody has.
        """
        try:
            now = read_stamp(self._prepared.folder)
            inodes, before = ([inode for inode, *_ in stamp] for stamp in (now, self._stamp))
            same = now == self._stamp or inodes != before
            if not same and self._prepared.compute_fingerprint() == self._prepared.fingerprint:
                same, self._stamp = True, now
        except FileNotFoundError:
            return
        except (OSError, ValueError):  # it cannot be read as an array any more
            same = False
        if not same:
            raise CacheError(
                f"the decoded copy {self._prepared.folder} was changed while a worker trained on it, which begins no "
                "further trial; start it again: then the data are decoded again"
            )
