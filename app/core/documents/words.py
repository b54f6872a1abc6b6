"""Words about documents: what may be attached, what is wrong with one, how much it weighs."""

from __future__ import annotations

from typing import Any, Final

from flask import current_app
from flask_babel import gettext as _

from . import intake
from .files import EXTENSIONS, FileFault

#: For browsers, which then offer these files only; what comes is judged by its content.
ACCEPT: Final = ",".join([*EXTENSIONS.values(), ".jpeg"])


def fault_text(fault: FileFault, name: str, present: str = "") -> str:
    """Which file, which rule, what to do; ``present``: what the document with the same content is called."""
    if fault is FileFault.TWICE and present not in ("", name):
        return str(_("“%(name)s” has the same content as “%(present)s”, which is attached already: choose another file.", name=name, present=present))
    words: dict[FileFault, Any] = {
        FileFault.EMPTY: _("“%(name)s” is empty: choose another file.", name=name),
        FileFault.TOO_LARGE: _("“%(name)s” is larger than %(most)s MB: make it lighter, or split it.", name=name, most=current_app.config["DOCUMENT_MAX_MB"]),
        FileFault.TOO_MANY: _(
            "“%(name)s” was not added: a request has %(most)s documents at most. Put several into one.", name=name, most=intake.limits().most
        ),
        FileFault.UNKNOWN_TYPE: _(
            "“%(name)s” is none of the types accepted, whatever its name says: save it as PDF, ODT, DOCX, JPEG or PNG.", name=name
        ),
        FileFault.DAMAGED: _("“%(name)s” is incomplete or damaged: open it, save it again, then choose it again.", name=name),
        FileFault.MACROS: _("“%(name)s” contains macros: save it without them, for instance as PDF.", name=name),
        FileFault.PROTECTED: _("“%(name)s” is protected by a password: save it without one.", name=name),
        FileFault.FULL: _(
            "“%(name)s” was not added: the documents of your organisation would weigh more than %(most)s MB together. "
            "Make it lighter, or write to the assistance.",
            name=name,
            most=current_app.config["DOCUMENT_QUOTA_MB"],
        ),
        FileFault.TWICE: _("“%(name)s” is attached already.", name=name),
    }
    return str(words[fault])


def size_text(size: int) -> str:
    """ "340 ko", "2,1 Mo"."""
    if size < 1_000_000:
        return str(_("%(num)s kB", num=max(1, round(size / 1000))))
    return str(_("%(num)s MB", num=f"{size / 1_000_000:.1f}".replace(".", ",")))


def one_limit_text() -> str:
    """What one document may be."""
    return str(_("PDF, ODT, DOCX, JPEG or PNG; %(size)s MB at most.", size=current_app.config["DOCUMENT_MAX_MB"]))


def limits_text() -> str:
    """What may be attached, and how much of it at once."""
    words = _(
        "PDF, ODT, DOCX, JPEG or PNG; %(size)s MB each, %(count)s documents at most. "
        "Less than %(total)s MB at once: beyond that, attach them in several times.",
        size=current_app.config["DOCUMENT_MAX_MB"],
        count=intake.limits().most,
        total=current_app.config["MAX_CONTENT_LENGTH"] // (1024 * 1024),
    )
    return str(words)
