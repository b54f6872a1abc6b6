"""temporary"""
from __future__ import annotations
from flask_babel import gettext as _
def damage_text(damage: object) -> str:
    return str(damage)

def refused(error):
    from app.accounts.bulk_labels import refused as r
    return r(error)
