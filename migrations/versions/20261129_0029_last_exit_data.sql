UPDATE survey_link l SET void_at = clock_timestamp() FROM situation_survey s
 WHERE s.id = l.survey_id
   AND EXISTS (SELECT FROM enrolment_act a WHERE a.enrolment_id = s.enrolment_id AND a.kind = 'undo_exit' AND a.happened_at >= l.sent_at);
SELECT portal_survey_falls(e.id) FROM enrolment e
 WHERE e.actual_end IS NULL AND EXISTS (SELECT FROM situation_survey s WHERE s.enrolment_id = e.id);
WITH standing AS (
    SELECT DISTINCT ON (e.registration_id) e.registration_id,
           CASE WHEN e.actual_end IS NOT NULL AND r.code IS DISTINCT FROM 'CHANGEMENT_COMPOSANTE' THEN e.id END AS last_exit
      FROM enrolment e LEFT JOIN exit_reason r ON r.id = e.exit_reason_id
     WHERE e.cancelled_at IS NULL
     ORDER BY e.registration_id, e.actual_end DESC NULLS FIRST, e.id DESC)
UPDATE situation_survey s SET due_on = NULL
  FROM enrolment e JOIN standing USING (registration_id)
 WHERE s.enrolment_id = e.id AND e.id IS DISTINCT FROM standing.last_exit AND s.due_on IS NOT NULL AND s.state <> 'answered';
