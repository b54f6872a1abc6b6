"""Pages of the trainees: lists and sheets, registration wizard, enrolment and exit."""

from .enrolment import EnrolmentView
from .identity import IdentityPages
from .life import EnrolmentLifeView
from .pages import RegistrationPages
from .registration import RegistrationView
from .trainees import TraineesView

VIEWS = (TraineesView, RegistrationPages, IdentityPages, RegistrationView, EnrolmentView, EnrolmentLifeView)

__all__ = ["VIEWS", "EnrolmentLifeView", "EnrolmentView", "IdentityPages", "RegistrationPages", "RegistrationView", "TraineesView"]
