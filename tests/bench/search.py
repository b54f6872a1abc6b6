"""Search of a trainee among all those of the Région, against the SQL that somebody who knows the indexes would write.

From what was typed to the rows in hand, as the pages ask (``trainees.queries``): a list with its count, its persons, actions and components.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from tests.bench.report import Report
from tests.bench.world import World

SOUGHT = 60
#: Beginning, in milliseconds, of what the portal may add to twice the bare SQL.
MARGIN = 15.0

_ROWS = "SELECT t.birth_name, t.first_name, r.id, r.action_id FROM trainee t JOIN registration r ON r.trainee_id = t.id"
#: By what is typed: how a person of that number is typed, and the bare SQL with its parameter.
_SEARCHES: dict[str, tuple[str, str]] = {
    "name": ("birth_name", f"{_ROWS} WHERE t.search_vector @@ to_tsquery('simple', %s) ORDER BY r.sort_name, r.id LIMIT 21"),
    "agora_number": ("agora_number", f"{_ROWS} JOIN enrolment e ON e.registration_id = r.id WHERE e.agora_number = %s ORDER BY r.sort_name, r.id LIMIT 21"),
}


def run(world: World, app: Any, report: Report, *, count: int, first_id: int) -> None:
    """Each search of ``SOUGHT`` people spread over all of them; the bars are at the median."""
    import psycopg
    from sqlalchemy.engine import make_url

    from app.accounts.testing import sign_in
    from app.core import textsearch
    from app.core.tenancy import Scope, bound_scope
    from app.trainees.queries import TraineeFilter, find_by_name, list_registrations

    database = make_url(world.app_url).database
    with psycopg.connect(make_url(world.superuser_url).set(database=database).render_as_string(hide_password=False), autocommit=True) as bare:
        ids = [first_id + 1 + count * turn // SOUGHT for turn in range(SOUGHT)]
        people = bare.execute(
            "SELECT t.birth_name, e.agora_number FROM trainee t JOIN registration r ON r.trainee_id = t.id JOIN enrolment e ON e.registration_id = r.id"
            " WHERE t.id = ANY(%s)",
            (ids,),
        ).fetchall()
        browser = app.test_client()
        sign_in(app, browser, "region")
        for name, (column, sql) in _SEARCHES.items():
            times: dict[str, list[float]] = {"bare": [], "list": [], "quick": [], "page": []}
            for birth_name, agora_number in people:
                typed = birth_name if column == "birth_name" else agora_number
                asked = textsearch.prefix_query(typed) if column == "birth_name" else typed
                _timed(times["bare"], lambda sql=sql, asked=asked: bare.execute(sql, (asked,)).fetchall())
                with app.app_context(), bound_scope(Scope.region()):
                    _timed(times["list"], lambda typed=typed: list_registrations(TraineeFilter(text=typed)).rows)
                with app.app_context(), bound_scope(Scope.region()):
                    _timed(times["quick"], lambda typed=typed: find_by_name(typed))
                _timed(times["page"], lambda typed=typed: browser.get("/stagiaires/", query_string={"texte": typed}).status_code == 200)
            medians = {way: statistics.median(values) for way, values in times.items()}
            reference = f"{count:,} trainees; bare SQL {medians['bare']:.2f} ms; bar: twice that and {MARGIN:.0f} ms"
            for way in ("list", "quick"):
                report.add(f"trainee_search_{name}_{way}", medians[way], "ms", reference, most=2 * medians["bare"] + MARGIN)
            report.add(f"trainee_search_{name}_page", medians["page"], "ms", "server time of the whole page, median")


def _timed(times: list[float], act: Any) -> None:
    begin = time.perf_counter()
    found = act()
    times.append((time.perf_counter() - begin) * 1000)
    if not found:
        raise RuntimeError("nothing was found")
