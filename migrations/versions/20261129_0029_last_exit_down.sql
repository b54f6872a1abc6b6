DROP TRIGGER surveys_of_new_exit ON enrolment;
DROP TRIGGER surveys_of_exit ON enrolment;
DROP FUNCTION portal_survey_of_exit();
DROP FUNCTION portal_survey_falls(integer);
-- The surveys of an exit are made with it, in its transaction, whatever wrote it. A cancelled exit takes away those that say nothing; the others
-- are kept without a day, and come back with the next exit.
CREATE FUNCTION portal_survey_of_exit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.actual_end IS NULL THEN
        DELETE FROM situation_survey s WHERE s.enrolment_id = NEW.id AND s.state = 'waiting'
           AND NOT EXISTS (SELECT FROM survey_link l WHERE l.survey_id = s.id);
        UPDATE situation_survey SET due_on = NULL WHERE enrolment_id = NEW.id;
    ELSE
        INSERT INTO situation_survey (organisation_id, enrolment_id, action_id, moment, due_on, created_at, updated_at)
        SELECT NEW.organisation_id, NEW.id, NEW.action_id, m.moment, (NEW.actual_end + m.wait)::date, clock_timestamp(), clock_timestamp()
          FROM (VALUES ('exit', interval '0'), ('3m', interval '3 months'), ('6m', interval '6 months')) m (moment, wait)
            ON CONFLICT (enrolment_id, moment) DO UPDATE SET due_on = EXCLUDED.due_on, updated_at = EXCLUDED.updated_at;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER surveys_of_exit AFTER UPDATE OF actual_end ON enrolment
    FOR EACH ROW WHEN (OLD.actual_end IS DISTINCT FROM NEW.actual_end) EXECUTE FUNCTION portal_survey_of_exit();
CREATE TRIGGER surveys_of_new_exit AFTER INSERT ON enrolment FOR EACH ROW WHEN (NEW.actual_end IS NOT NULL) EXECUTE FUNCTION portal_survey_of_exit();
