"""The first instants of a child process; run as ``python -I -S child.py …``, it becomes the real command.

It gives up root when asked to, arranges for the child to be signalled when its parent dies (Linux), and execs. Doing this in
a process of its own, instead of between fork and exec, stays safe when the parent has threads.
"""

from __future__ import annotations

import ctypes  # before giving up root, who alone may be able to read it
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> int:
    """Arguments: parent pid, signal at the parent's death, uid, gid, working folder, then the command."""
    parent, death_signal, uid, gid = (int(value) for value in argv[:4])
    folder, command = argv[4], argv[5:]
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if libc is not None:  # after setuid, which would cancel it
        libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        return 0  # the parent died before it could be watched
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.umask(0o077)
    try:
        os.chdir(folder)
        os.execv(command[0], command)
    except OSError as error:
        print(f"{command[0]} : {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
