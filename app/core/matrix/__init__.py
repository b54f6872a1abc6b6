"""Matrices: the files that people send in to do in one go what a form does one by one.

A :class:`Matrix` says which columns there are; the field of a form reads and judges each cell, so that a file and a screen follow the same
rules. From that one definition come the check (:mod:`.checking`), the page "Spécifications de l'interface d'import" and the file
"Format d'import". What a line does to the data stays with the feature that owns the data.
"""

from app.core.matrix.definition import Column, FieldKind, Group, Matrix, Need, Remark
from app.core.matrix.findings import Finding

__all__ = ["Column", "FieldKind", "Finding", "Group", "Matrix", "Need", "Remark"]
