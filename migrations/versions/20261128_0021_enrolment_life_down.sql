DROP TRIGGER within_path ON interruption;
DROP FUNCTION portal_interruption_dates();
CREATE OR REPLACE FUNCTION portal_component_dates() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    outer_start date; outer_end date; inner_start date; inner_end date;
BEGIN
    SELECT a.planned_start, a.planned_end INTO outer_start, outer_end FROM action a WHERE a.id = NEW.action_id FOR SHARE;
    SELECT c.planned_start, c.planned_end INTO inner_start, inner_end FROM component c WHERE c.id = NEW.id;
    IF inner_start < outer_start OR inner_end > outer_end THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_component_within_action',
            MESSAGE = 'a component lies outside its action';
    END IF;
    IF TG_OP = 'UPDATE' AND EXISTS (
        SELECT FROM training_session s WHERE s.component_id = NEW.id AND s.cancelled_at IS NULL AND (s.starts_on < inner_start OR s.ends_on > inner_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_session_within_component',
            MESSAGE = 'a session lies outside its component';
    END IF;
    IF TG_OP = 'UPDATE' AND EXISTS (
        SELECT FROM enrolment e WHERE e.component_id = NEW.id
           AND (e.planned_start < inner_start OR COALESCE(e.actual_end, e.planned_end) > inner_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_enrolment_within_component',
            MESSAGE = 'an enrolment lies outside its component';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION portal_enrolment_dates() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    outer_start date; outer_end date;
BEGIN
    SELECT c.planned_start, c.planned_end INTO outer_start, outer_end FROM component c WHERE c.id = NEW.component_id FOR SHARE;
    IF EXISTS (
        SELECT FROM enrolment e WHERE e.id = NEW.id
           AND (e.planned_start < outer_start OR COALESCE(e.actual_end, e.planned_end) > outer_end)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_enrolment_within_component',
            MESSAGE = 'an enrolment lies outside its component';
    END IF;
    RETURN NULL;
END $$;
