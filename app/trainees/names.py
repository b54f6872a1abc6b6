"""What the rows of this feature and its messages are called when they are counted, and in Supervision."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from app.core.fab.names import name_operation, name_table

from .services.enrolment import CANCEL, CHANGE, CLOSE, CREATE, EXIT, INTERRUPT, RESUME, UNDO_EXIT


def register_names() -> None:
    """Name the tables and the operations of this feature."""
    name_table("trainee", _l("Trainees"), lambda count: ngettext("%(num)s trainee", "%(num)s trainees", count))
    name_table("registration", _l("Registrations"), lambda count: ngettext("%(num)s registration", "%(num)s registrations", count))
    name_table("enrolment", _l("Enrolments"), lambda count: ngettext("%(num)s enrolment", "%(num)s enrolments", count))
    name_table("interruption", _l("Interruptions"), lambda count: ngettext("%(num)s interruption", "%(num)s interruptions", count))
    name_table("enrolment_act", _l("Acts on enrolments"), lambda count: ngettext("%(num)s act on an enrolment", "%(num)s acts on enrolments", count))
    name_table(
        "identity_request",
        _l("Searches of identities"),
        lambda count: ngettext("%(num)s search of an identity", "%(num)s searches of identities", count),
    )
    name_table(
        "identity_correction",
        _l("Corrections of identities"),
        lambda count: ngettext("%(num)s correction of an identity", "%(num)s corrections of identities", count),
    )
    name_table(
        "identity_document",
        _l("Documents of the corrections of identities"),
        lambda count: ngettext("%(num)s document of a correction", "%(num)s documents of corrections", count),
    )
    name_table("identity_document_content", _l("Contents of the documents of corrections"))
    name_table("nia_reminder", _l("Reminders about NIA"), lambda count: ngettext("%(num)s reminder about NIA", "%(num)s reminders about NIA", count))
    name_table("number_file", _l("Files of trainees without NIR"), lambda count: ngettext("%(num)s file taken out", "%(num)s files taken out", count))
    name_table("number_repair", _l("Files of NIRs"), lambda count: ngettext("%(num)s file of NIRs", "%(num)s files of NIRs", count))
    name_table(
        "number_repair_line",
        _l("Lines of the files of NIRs"),
        lambda count: ngettext("%(num)s line of a file of NIRs", "%(num)s lines of files of NIRs", count),
    )
    name_operation(CREATE, _l("Creation of the file"))
    name_operation(CHANGE, _l("Change of the file"))
    name_operation(EXIT, _l("Exit of the trainee"))
    name_operation(CLOSE, _l("Closing of the file"))
    name_operation(INTERRUPT, _l("Interruption of the training"))
    name_operation(RESUME, _l("Return to the training"))
    name_operation(UNDO_EXIT, _l("Cancellation of the exit"))
    name_operation(CANCEL, _l("Cancellation of the file"))
