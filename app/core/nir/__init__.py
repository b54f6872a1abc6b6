"""National identification numbers: the pure rules (:mod:`.number`), their storage and their journaled reading.

Importing this package pulls in nothing but the standard library and python-stdnum.
"""

from app.core.nir.number import (
    SPECIMENS,
    Incoherence,
    Nir,
    NirError,
    NirKind,
    NirProblem,
    check,
    compute_key,
    faulty_box,
    group,
    incoherences,
    mask,
    normalise,
    parse,
    same,
)

__all__ = [
    "SPECIMENS",
    "Incoherence",
    "Nir",
    "NirError",
    "NirKind",
    "NirProblem",
    "check",
    "compute_key",
    "faulty_box",
    "group",
    "incoherences",
    "mask",
    "normalise",
    "parse",
    "same",
]
