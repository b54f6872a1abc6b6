DROP TRIGGER surveys_of_new_exit ON enrolment;
DROP TRIGGER surveys_of_exit ON enrolment;
DROP FUNCTION portal_survey_of_exit();
-- What was said of an exit that is cancelled falls with it: answers, replies, and the links of the messages, which are kept to say why.
CREATE FUNCTION portal_survey_falls(cancelled integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE survey_link l SET void_at = clock_timestamp() FROM situation_survey s
     WHERE s.id = l.survey_id AND s.enrolment_id = cancelled AND l.void_at IS NULL;
    DELETE FROM survey_reply r USING situation_survey s WHERE s.id = r.survey_id AND s.enrolment_id = cancelled;
    UPDATE situation_survey
       SET situation_id = NULL, contract_type_id = NULL, company = NULL, sector_id = NULL, job_title = NULL, category_id = NULL, job_related = NULL,
           certification = NULL, certification_level_id = NULL, answered_at = NULL, answered_by_id = NULL, replied_at = NULL, unreached_at = NULL,
           version = version + 1, updated_at = clock_timestamp()
     WHERE enrolment_id = cancelled AND state <> 'waiting';
END $$;
-- The surveys come with the last exit of a person from an action, in its transaction, whatever wrote it: not while another enrolment goes on,
-- nor with an exit towards another component. Those that were answered about an exit that stands stay.
CREATE FUNCTION portal_survey_of_exit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last_exit integer;
BEGIN
    -- of two exits of one person at the same time, the second one sees the first
    PERFORM FROM registration WHERE id = NEW.registration_id FOR NO KEY UPDATE;
    IF TG_OP = 'UPDATE' THEN
        IF OLD.actual_end IS NOT NULL AND NEW.actual_end IS NULL THEN
            PERFORM portal_survey_falls(NEW.id);
        END IF;
    END IF;
    SELECT e.id INTO last_exit
      FROM (SELECT o.id, o.exit_reason_id, o.actual_end FROM enrolment o
             WHERE o.registration_id = NEW.registration_id AND o.cancelled_at IS NULL
             ORDER BY o.actual_end DESC NULLS FIRST, o.id DESC LIMIT 1) e
     WHERE e.actual_end IS NOT NULL
       AND NOT EXISTS (SELECT FROM exit_reason r WHERE r.id = e.exit_reason_id AND r.code = 'CHANGEMENT_COMPOSANTE');
    DELETE FROM situation_survey s USING enrolment e
     WHERE e.registration_id = NEW.registration_id AND s.enrolment_id = e.id AND e.id IS DISTINCT FROM last_exit AND s.state = 'waiting'
       AND NOT EXISTS (SELECT FROM survey_link l WHERE l.survey_id = s.id);
    UPDATE situation_survey s SET due_on = NULL FROM enrolment e
     WHERE e.registration_id = NEW.registration_id AND s.enrolment_id = e.id AND e.id IS DISTINCT FROM last_exit AND s.due_on IS NOT NULL
       AND (s.state <> 'answered' OR e.actual_end IS NULL OR e.cancelled_at IS NOT NULL);
    UPDATE situation_survey s SET due_on = (NEW.actual_end + m.wait)::date, updated_at = clock_timestamp()
      FROM (VALUES ('exit', interval '0'), ('3m', interval '3 months'), ('6m', interval '6 months')) m (moment, wait)
     WHERE s.enrolment_id = NEW.id AND s.moment = m.moment AND s.due_on <> (NEW.actual_end + m.wait)::date;
    INSERT INTO situation_survey (organisation_id, enrolment_id, action_id, moment, due_on, created_at, updated_at)
    SELECT e.organisation_id, e.id, e.action_id, m.moment, (e.actual_end + m.wait)::date, clock_timestamp(), clock_timestamp()
      FROM enrolment e CROSS JOIN (VALUES ('exit', interval '0'), ('3m', interval '3 months'), ('6m', interval '6 months')) m (moment, wait)
     WHERE e.id = last_exit
        ON CONFLICT (enrolment_id, moment) DO UPDATE SET due_on = EXCLUDED.due_on, updated_at = EXCLUDED.updated_at
     WHERE situation_survey.due_on IS DISTINCT FROM EXCLUDED.due_on;
    RETURN NULL;
END $$;
CREATE TRIGGER surveys_of_exit AFTER UPDATE OF actual_end, exit_reason_id, cancelled_at ON enrolment FOR EACH ROW
    WHEN (OLD.actual_end IS DISTINCT FROM NEW.actual_end OR OLD.exit_reason_id IS DISTINCT FROM NEW.exit_reason_id
          OR OLD.cancelled_at IS DISTINCT FROM NEW.cancelled_at)
    EXECUTE FUNCTION portal_survey_of_exit();
CREATE TRIGGER surveys_of_new_exit AFTER INSERT ON enrolment FOR EACH ROW EXECUTE FUNCTION portal_survey_of_exit();
