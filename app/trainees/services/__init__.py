"""Use cases on trainees: ``identity`` (who the person is), ``registration`` (the sheet), ``enrolment`` (path and exit)."""
