DROP TRIGGER surveys_of_new_exit ON enrolment;
DROP TRIGGER surveys_of_exit ON enrolment;
DROP TRIGGER situation ON survey_reply;
DROP TRIGGER situation ON situation_survey;
DROP FUNCTION portal_survey_of_exit();
DROP FUNCTION portal_survey_situation();
