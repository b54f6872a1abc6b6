"""The way from a list to its export."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def links(page: str) -> list[str]:
    return [link.replace("&amp;", "&") for link in re.findall(r'href="(/exports/liste/[^"]*)"', page)]


def test_the_link_of_a_list_keeps_what_it_is_narrowed_to(as_user: Any, db_session: Session) -> None:
    action = db_session.scalar(text("SELECT r.action_id FROM modification_request r JOIN ab_user u USING (organisation_id) WHERE u.username = 'principal'"))
    browser = as_user("principal")
    found = links(browser.get(f"/demandes-de-modification/action/{action}").text)
    assert found == [f"/exports/liste/suivi-des-demandes?action={action}"]
    assert browser.get(found[0]).status_code == 200
    decided = links(browser.get("/stagiaires/corrections-identite/?etat=decidees").text)
    assert all("etat=decidees" in link for link in decided)
