"""The matrices that can be sent, in the order of the menu."""

from __future__ import annotations

from typing import Final

from app.core.matrix.plan import Importer
from app.trainees.matrices.importers import IMPORTERS as OF_TRAINEES

IMPORTERS: Final[dict[str, Importer]] = {importer.matrix.name: importer for importer in OF_TRAINEES}

__all__ = ["IMPORTERS"]
