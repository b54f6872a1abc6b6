"""Pages of the trainees: lists and sheets, registration wizard, enrolment and exit."""

from .enrolment import EnrolmentView
from .identity import IdentityPages
from .pages import RegistrationPages
from .registration import RegistrationView
from .trainees import TraineesView

VIEWS = (TraineesView, RegistrationPages, IdentityPages, RegistrationView, EnrolmentView)

__all__ = ["VIEWS", "EnrolmentView", "IdentityPages", "RegistrationPages", "RegistrationView", "TraineesView"]
