"""Pages of the trainees: lists and sheets, registration wizard, enrolment and exit."""

from .corrections import IdentityCorrectionsView
from .enrolment import EnrolmentView
from .identity import IdentityPages
from .life import EnrolmentLifeView
from .pages import RegistrationPages
from .registration import RegistrationView
from .repair import NumberRepairView
from .trainees import TraineesView

VIEWS = (TraineesView, RegistrationPages, IdentityPages, RegistrationView, EnrolmentView, EnrolmentLifeView, NumberRepairView, IdentityCorrectionsView)

__all__ = [
    "VIEWS",
    "EnrolmentLifeView",
    "EnrolmentView",
    "IdentityCorrectionsView",
    "IdentityPages",
    "NumberRepairView",
    "RegistrationPages",
    "RegistrationView",
    "TraineesView",
]
