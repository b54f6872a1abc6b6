"""What stops a start: one sentence for the person at the keyboard, never a traceback."""

from __future__ import annotations

import errno

REFUSED = 3
"""Exit code of a part that said in one sentence why it cannot go on."""


class LaunchError(Exception):
    """The portal cannot start; the message says why and what to do, in one sentence."""


def sentence_for(error: OSError, doing: str) -> str:
    """The sentence for a system error met while `doing` something (French, infinitive clause)."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"Le disque est plein : impossible de {doing} ; libérez de la place, puis relancez."
    if error.errno == errno.EROFS:
        return f"Le disque est en lecture seule : impossible de {doing}."
    if error.errno in (errno.EACCES, errno.EPERM):
        where = f" ({error.filename})" if error.filename else ""
        return f"Droits insuffisants pour {doing}{where}."
    where = f" ({error.filename})" if error.filename else ""
    return f"Impossible de {doing}{where} : {error.strerror or error}."
