"""Pages of the trainees: lists and sheets, registration wizard, enrolment and exit."""

from .enrolment import EnrolmentView
from .pages import RegistrationPages
from .registration import RegistrationView
from .trainees import TraineesView

VIEWS = (TraineesView, RegistrationPages, RegistrationView, EnrolmentView)

__all__ = ["VIEWS", "EnrolmentView", "RegistrationPages", "RegistrationView", "TraineesView"]
