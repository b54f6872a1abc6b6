"""Trainees: registration, enrolment, exit, and what AGORA learns of them (guide 000)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask_appbuilder import AppBuilder


def register(appbuilder: AppBuilder) -> None:
    """Add the pages, the handlers of the outbox, the periodic jobs, the menu and the quick search."""
    from flask_babel import lazy_gettext as _l

    from app.accounts.observations import hide_from_observers
    from app.actions.ports import register_trainee_side
    from app.actions.tabs import register_action_tab
    from app.core.documents.intake import register_documents
    from app.core.exports.registry import register_list
    from app.core.fab.supervision import name_purpose, name_subject
    from app.core.jobs import register_periodic
    from app.core.nir.storage import register_nir_column
    from app.core.rotation import register_encrypted_column
    from app.core.ui import SearchProvider, register_menu, register_number_search, register_private_search, register_search

    from . import agora, exports, names, side, views
    from .identity_models import IdentityCorrection, IdentityDocument
    from .models import IdentityRequest, Trainee
    from .permissions import READ, REPAIR, VIEW
    from .repair.models import NumberRepair
    from .repair.service import repair_aad
    from .services.identity import request_aad
    from .services.identity_documents import PURPOSE, document_aad

    names.register_names()
    hide_from_observers(VIEW, "TraineeRegistration", trainees=True)
    register_trainee_side(side.Trainees())
    register_action_tab(_l("Trainees"), "TraineesView.of_action", READ, 30)
    name_subject("trainee", _l("Trainee"))
    name_subject("enrolment", _l("Enrolment"))
    name_purpose(PURPOSE, _l("Document read"))
    for view in views.VIEWS:
        appbuilder.add_view_no_menu(view)
    register_nir_column(Trainee)
    register_nir_column(IdentityCorrection)
    register_encrypted_column(IdentityRequest, "question", lambda row: request_aad("question", row["seal_uid"]))
    register_encrypted_column(IdentityRequest, "answer", lambda row: request_aad("answer", row["seal_uid"]))
    register_encrypted_column(NumberRepair, "content", lambda row: repair_aad(row["seal_uid"]))
    register_encrypted_column(IdentityDocument, "seal", lambda row: document_aad("seal", row["seal_uid"]))
    register_documents(IdentityDocument)
    for one in exports.LISTS:
        register_list(one)
    agora.register()
    register_periodic(
        name="purge-identity-requests", func="app.trainees.jobs:purge_identity_requests", every=600,
        label=_l("Purge of the identity searches"),
    )  # fmt: skip
    register_periodic(
        name="purge-identity-documents", func="app.trainees.jobs:purge_identity_documents", cron="35 3 * * *",
        label=_l("Deletion of the documents of corrections decided long ago"),
    )  # fmt: skip
    register_periodic(name="recheck-identities", func="app.trainees.jobs:recheck_identities", every=900, label=_l("Check of the typed identities"))
    register_periodic(name="remind-nia", func="app.trainees.jobs:remind_about_nia", cron="30 7 * * 1-5", label=_l("Reminders about NIA"))
    register_periodic(name="sweep-number-repairs", func="app.trainees.jobs:sweep_repairs", every=60, label=_l("Files of NIRs to apply"))
    register_menu(group="Actions de formation", label=_l("Trainees"), endpoint="TraineesView.index", permission=READ, order=20)
    register_menu(group="Actions de formation", label=_l("NIA to regularise"), endpoint="TraineesView.without_nir", permission=READ, order=21)
    register_menu(
        group="Actions de formation", label=_l("Corrections of identities"), endpoint="IdentityCorrectionsView.index", permission=READ, order=23
    )
    register_menu(group="Actions de formation", label=_l("Mass repair of the NIRs"), endpoint="NumberRepairView.index", permission=REPAIR, order=22)
    register_private_search("trainees", side.number_url)
    for listed in ("TraineesView.index", "TraineesView.of_action"):
        register_number_search(listed, "texte", side.number_in_list)
    register_search(SearchProvider("trainees", _l("Trainees"), side.find, permission=READ, order=20, all_url=side.all_url))
