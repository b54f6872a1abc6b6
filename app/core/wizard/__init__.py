"""Input in several steps, whose draft lives in the database.  Features derive from :class:`app.core.wizard.view.Wizard`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(_builder: AppBuilder) -> None:
    """Add the purge of expired drafts, and put the drafts under the rotation of keys."""
    from flask_babel import lazy_gettext as _l

    from app.core.jobs import register_periodic
    from app.core.rotation import register_encrypted_column
    from app.core.wizard.drafts import draft_aad
    from app.core.wizard.models import WizardDraft

    register_encrypted_column(WizardDraft, "data", lambda row: draft_aad(row["seal_uid"]), needs=("seal_uid",))
    register_periodic(name="purge-drafts", func="app.core.wizard.jobs:purge", cron="20 3 * * *", label=_l("Purge of expired drafts"))
