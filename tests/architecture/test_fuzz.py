"""An organisation that tries everything against another (bars B3.2, B3.3), with Python's wall and without it.

Random but repeatable requests of organisation A's principal: B's numbers in the path, in the query, in every field of every form, and
fields that no form has (mass assignment). No word of B comes back, no row of B changes, nothing fails.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from app.core import tenancy
from app.core.db import TenantMixin
from app.core.tenancy import ScopeKind
from tests.architecture.crowd import Crowd
from tests.architecture.markup import Page
from tests.architecture.routes import ROUTES
from tests.architecture.test_routes import SAME_ORIGIN, Browsers, World, _rules, _token, _url

REQUESTS = 400
CANARY = "CANARI"
FORGED_NUMBER = "6660006660"
FORGED_VERSION = "666"

#: What B's people would recognise anywhere; each value ends with the row's number.
_MARKED = {
    "organisation": ("legal_name", "trade_name", "contact_email"),
    "ab_user": ("first_name", "last_name", "email"),
    "contract": ("number", "label", "lot_label", "territory"),
    "action": ("number", "title"),
    "component": ("title",),
    "trainee": ("birth_name", "usual_name", "first_name", "sort_name"),
    "registration": ("email", "street_name", "town", "other_information", "sort_name"),
    "enrolment": ("agora_number",),
    "action_history": ("actor_name", "comment"),
    "outbox_message": ("last_error_title",),
}

#: Ends the session under which everything else is tried, or is the browser's own report.
_NOT_TRIED = {"SignInView.logout", "SignInView.login", "csp.report", "MyAccountView.change_password"}
#: Ask the present password: three wrong ones would end the session.
_NOT_TRIED |= {"MyAccountView.change_identifiant", "MyAccountView.change_email"}
#: A wrong present password is counted there, too: the account would be blocked.
_NOT_TRIED |= {"SecondFactorView.start", "SecondFactorView.renew", "SecondFactorView.disable", "SecondFactorView.move", "TokensView.create"}

#: Written by any visit or by anyone's sign-in.
_NOBODYS = {"user_session", "sign_in_attempt", "alembic_version", "ab_user_role", "recovery_request"}


def _guard_that_only_fills_in(session: Session, _flush_context: Any, _instances: Any) -> None:
    scope = tenancy.current_scope()
    for row in session.new:
        if isinstance(row, TenantMixin) and row.organisation_id is None and scope.kind is ScopeKind.ORGANISATION:
            row.organisation_id = scope.organisation_id  # type: ignore[assignment]


@pytest.fixture(params=["both walls", "the database alone"])
def walls(request: pytest.FixtureRequest) -> Iterator[str]:
    """The session's criteria and refusals, or only what PostgreSQL holds."""
    if request.param == "both walls":
        yield request.param
        return
    event.remove(Session, "do_orm_execute", tenancy._wall)
    event.remove(Session, "before_flush", tenancy._guard)
    event.listen(Session, "before_flush", _guard_that_only_fills_in)
    try:
        yield request.param
    finally:
        event.remove(Session, "before_flush", _guard_that_only_fills_in)
        event.listen(Session, "do_orm_execute", tenancy._wall)
        event.listen(Session, "before_flush", tenancy._guard)


class Target:
    """Organisation B: its numbers, its marks, and the fingerprint of all that A must not change."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        with crowd.connect() as sql:
            self.own, self.other = (
                int(sql.execute("SELECT organisation_id FROM ab_user WHERE username = %s", (name,)).fetchone()[0])  # type: ignore[index]
                for name in ("principal", "autre-of")
            )
            self.ids: dict[str, list[Any]] = {}
            for table in crowd.tables:
                if "organisation_id" in table.c and "id" in table.c:
                    found = sql.execute(f"SELECT id FROM {table.name} WHERE organisation_id = {self.other} ORDER BY id LIMIT 20").fetchall()
                    self.ids[table.name] = [one for (one,) in found]
            self.ids["organisation"] = [self.other]
            for table_name, columns in _MARKED.items():
                key = "id" if table_name == "organisation" else "organisation_id"
                marks = ", ".join(f"{column} = '{CANARY}' || id" for column in columns)
                done = sql.execute(f"UPDATE {table_name} SET {marks} WHERE {key} = {self.other}")
                assert done.rowcount or table_name == "outbox_message", f"B has nothing in {table_name}"
        self.numbers = sorted({one for ids in self.ids.values() for one in ids if isinstance(one, int)})

    def number(self, chance: random.Random, name: str) -> Any:
        """One of B's numbers for a parameter called ``name``."""
        ids = self.ids.get(name.removesuffix("_id"), []) or self.ids.get({"user_id": "ab_user"}.get(name, ""), [])
        return chance.choice(ids or self.numbers)

    def fingerprint(self) -> dict[str, str]:
        """One sum for each table: B's rows, or all of them where rows belong to nobody."""
        with self.crowd.connect() as sql:
            names = [row[0] for row in sql.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")]
            owned = {row[0] for row in sql.execute("SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'organisation_id'")}
            found = {}
            for name in sorted(set(names) - _NOBODYS):
                where = f"organisation_id = {self.other}" if name in owned else f"id = {self.other}" if name == "organisation" else "true"
                row = sql.execute(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} t WHERE {where}").fetchone()
                found[name] = str(row[0]) if row else ""
            return found

    def forged(self) -> list[str]:
        """Values that only a form that takes what it is given can have written."""
        checks = {
            f"SELECT count(*) FROM enrolment WHERE agora_number = '{FORGED_NUMBER}'": 0,
            f"SELECT count(*) FROM action WHERE organisation_id = {self.own} AND status IN ('CL', 'AN') AND version >= {FORGED_VERSION}": 0,
            f"SELECT count(*) FROM registration WHERE version >= {FORGED_VERSION}": 0,
            f"SELECT count(*) FROM trainee WHERE version >= {FORGED_VERSION}": 0,
            f"SELECT count(*) FROM organisation WHERE version >= {FORGED_VERSION}": 0,
            "SELECT count(*) FROM ab_user WHERE username LIKE 'pirate%'": 0,
        }
        with self.crowd.connect() as sql:
            return [check for check, wanted in checks.items() if (sql.execute(check).fetchone() or (None,))[0] != wanted]


class Attack:
    """Makes one request after the other, each from the same source of chance."""

    def __init__(self, site: Flask, world: World, target: Target, browser: Any, chance: random.Random) -> None:
        self.site, self.world, self.target, self.browser, self.chance = site, world, target, browser, chance
        rules = [(rule, method) for rule, method in _rules(site) if rule.endpoint not in _NOT_TRIED]
        mine = [one for one in rules if one[0].endpoint in ROUTES and "principal" in ROUTES[one[0].endpoint].allowed]
        self.rules = {"mine": mine, "all": rules}
        self.token = _token(browser)

    def one(self) -> tuple[str, Any]:
        """(what was asked, answer) of one request."""
        rules = self.rules["all" if self.chance.random() < 0.15 else "mine"]
        kind = self.chance.random()
        if kind < 0.25:
            rule, method = self.chance.choice([one for one in rules if one[0].arguments])
            return self.send(rule, method, {})
        wanted = "GET" if kind < 0.5 else "POST"
        rule = self.chance.choice([rule for rule, method in rules if method == wanted])
        return self.send(rule, wanted, self.query() if wanted == "GET" else {})

    def send(self, rule: Rule, method: str, query: dict[str, str]) -> tuple[str, Any]:
        address = _url(self.site, rule, self.arguments(rule))
        if method == "GET":
            return f"GET {address} {query}", self.browser.get(address, query_string=query)
        data = self.form(rule, address)
        return f"POST {address} {data}", self.browser.post(address, data=data, headers=SAME_ORIGIN)

    def arguments(self, rule: Rule) -> dict[str, Any]:
        """Parameters of the path: each its own or B's."""
        chosen = self.world.arguments(rule)
        for name in sorted(chosen):  # in one order, so that the seed says it all
            if (name == "pk" or name.endswith("_id")) and name != "message_id" and self.chance.random() < 0.6:
                view = rule.endpoint.partition(".")[0]
                chosen[name] = self.target.number(self.chance, _TABLE_OF.get(view, name) if name == "pk" else name)
            elif name == "step_name":
                chosen[name] = self.chance.choice(["verification", "identification", "situation-initiale", "recapitulatif", "dates", "x"])
            elif name == "kind":
                chosen[name] = self.chance.choice(["csv", "xlsx", "../x"])
        return chosen

    def query(self) -> dict[str, str]:
        """Anything that a list, of ours or of the framework, might listen to."""
        number = str(self.chance.choice(self.target.numbers))
        offered = {
            "_flt_0_organisation": str(self.target.other), "_flt_0_organisation_id": str(self.target.other), "_flt_2_title": "can", "_oc_ActionView": "organisation.legal_name",
            "_od_ActionView": "asc", "page_ActionView": "1", "psize_ActionView": "1000", "f_organisation": str(self.target.other), "f_contract": number,
            "f_organisation_id": str(self.target.other), "organisation_id": str(self.target.other), "q": "can", "texte": "canar", "a_faire": "sans-numero-agora",
            "statut": "EC", "dispositif": number, "annee": "2026", "size": "100", "page": self.chance.choice(["1", "2", "-1", "99999999999", "x"]),
            "after": f"{number}~can", "before": f"{number}~zzzz", "sort": self.chance.choice(["organisation", "number", "id); DROP"]), "order": "desc", "id": number,
            "postal_code": "11100", "town": "can", "_next": "//ailleurs.example", "next": "//ailleurs.example", "silent": "0", "etat": "all",
        }  # fmt: skip
        return {name: offered[name] for name in self.chance.sample(sorted(offered), self.chance.randint(1, 6))}

    def form(self, rule: Rule, address: str) -> dict[str, Any]:
        """The fields of the real form when there is one, some of them forged, and some that it does not have."""
        data: dict[str, Any] = {}
        page = self.browser.get(_form_page(address), follow_redirects=True)
        if page.status_code == 200 and page.mimetype == "text/html":
            found = Page(page.get_data(as_text=True))
            action = next((i for i, form in enumerate(found.forms) if form.get("method") == "post" and form.get("action") != "/deconnexion"), None)
            for form, field in found.fields:
                if form == action and field.get("name"):
                    data[field["name"]] = self.value(field)
        extras = {
            "organisation_id": self.target.other, "organisation": self.target.other, "status": "CL", "agora_number": FORGED_NUMBER, "agora_status": "closed_full",
            "version": FORGED_VERSION, "id": self.chance.choice(self.target.numbers), "pk": self.chance.choice(self.target.numbers), "username": "pirate",
            "roles": "1", "user_id": self.target.number(self.chance, "user_id"), "trainee_id": self.target.number(self.chance, "trainee_id"),
            "action_id": self.target.number(self.chance, "action_id"), "registration_id": self.target.number(self.chance, "registration_id"),
            "component_id": self.target.number(self.chance, "component_id"), "contract_id": self.target.number(self.chance, "contract_id"),
            "rowid": self.chance.choice(self.target.numbers), "action": "replay", "reason": "Contrôle du dossier", "created_at": "2020-01-01", "is_admin": "1",
        }  # fmt: skip
        for name in self.chance.sample(sorted(extras), self.chance.randint(2, 8)):
            data[name] = str(extras[name])
        data["csrf_token"] = self.token
        return data

    def value(self, field: dict[str, str]) -> str:
        """What one field is sent with: its own value more often than not."""
        options = [one for one in field.get("options", "").split("\n") if one]
        roll = self.chance.random()
        if roll < 0.15 or (field["name"].endswith(("_id", "id")) and roll < 0.5):
            return str(self.target.number(self.chance, field["name"]))
        if options:
            return self.chance.choice(options)
        if field.get("value"):
            return field["value"]
        return self.chance.choice(["05/01/2026", "12", "x", "31000", "a@example.org", "0600000001", "<b>", "’; --", "\x00", "é" * 300])


_TABLE_OF = {"ContractModelView": "contract", "ActionModelView": "action", "ComponentModelView": "component", "ComponentSiteModelView": "component_site", "OrganisationView": "organisation"}


def _form_page(address: str) -> str:
    """The page whose form is sent to ``address``."""
    return address.removesuffix("/brouillon").removesuffix("/numero")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [20_261_122])
def test_nothing_of_another_organisation(site: Flask, world: World, browsers: Browsers, crowd: Crowd, walls: str, seed: int) -> None:
    target = Target(crowd)
    chance = random.Random(f"{seed} {walls}")
    attack = Attack(site, world, target, browsers["principal"], chance)
    before = target.fingerprint()
    wrong: list[str] = []
    statuses: dict[int, int] = {}
    for _turn in range(REQUESTS):
        asked, answer = attack.one()
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        if answer.status_code >= 500:
            wrong.append(f"{answer.status_code}: {asked}")
        # a file is not text
        if CANARY in answer.get_data().decode(errors="replace").upper() or CANARY in str(answer.headers).upper():
            wrong.append(f"B’s words: {asked}")
        if "ailleurs.example" in answer.headers.get("Location", ""):
            wrong.append(f"led elsewhere: {asked}")
    after = target.fingerprint()
    changed = {name for name in before if before[name] != after[name]}
    assert not wrong, "\n".join(one[:600] for one in wrong)
    assert changed == set()
    assert target.forged() == []
    # The attack got somewhere: pages were shown, forms were judged (422) or taken (302), and the session still stands.
    assert statuses.get(200, 0) + statuses.get(422, 0) > REQUESTS // 10, statuses
    assert {302, 404} <= statuses.keys(), statuses
    assert browsers["principal"].get("/").status_code == 200
