"""Files that must not be read, since that may block the thread without end; without imports that take long."""

import errno
import os
import stat
from pathlib import Path


def is_special(path: str) -> bool:
    """Whether there is a named pipe, a socket, or a device other than /dev/null at the path.

    Raises:
        OSError: there is nothing at the path, or it cannot be looked at.
    """
    mode = Path(path).stat().st_mode
    return path != os.devnull and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def refuse_special(path: str) -> None:
    """Refuse a named pipe, a socket, or a device other than /dev/null.

    Raises:
        OSError: it is one, or there is nothing at the path; with the path, as `open` raises it.
    """
    if is_special(path):
        raise OSError(errno.EINVAL, "not a regular file", path)
