"""What every route answers to whom: the table that ``test_routes`` holds the application against.

An endpoint that is not here fails the build. ``allowed`` names the actors that may use it; ``owner`` says that the object of the
address belongs to organisation A, so that an account of organisation B that holds the same rights gets a 404.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: A signed-out browser, organisation A's accounts, organisation B's principal, the Région's and the support's.
ACTORS = ("nobody", "principal", "secondaire", "lecture", "autre-of", "validateur", "gestionnaire", "admin", "support")

ORGANISATION = frozenset({"principal", "secondaire", "lecture", "autre-of"})
WRITERS = frozenset({"principal", "secondaire", "autre-of"})
PRINCIPALS = frozenset({"principal", "autre-of"})
REGION = frozenset({"validateur", "gestionnaire", "admin"})
DECIDERS = frozenset({"validateur", "admin"})
CLOSERS = frozenset({"gestionnaire", "admin"})
ADMIN = frozenset({"admin"})
SIGNED_IN = frozenset(ACTORS) - {"nobody"}
READERS = ORGANISATION | REGION
CONSOLE = frozenset({"gestionnaire", "admin", "support"})
#: What can be done to an account that exists.
ACCOUNT_ACTS = ("edit", "regenerate", "unblock", "deactivate", "reactivate", "delete")


@dataclass(frozen=True)
class Route:
    """The outcome declared for one endpoint."""

    allowed: frozenset[str]
    owner: bool = False
    public: bool = False
    #: Of the programming interface: no cookie opens it, whoever's.
    bearer: bool = False


PUBLIC = Route(frozenset(ACTORS), public=True)


def _screens(view: str, readers: Iterable[str], writers: Iterable[str] = (), *, owner: bool = False, extra: dict[str, Route] | None = None) -> dict[str, Route]:
    """The endpoints of one list of Flask-AppBuilder."""
    read, write = frozenset(readers), frozenset(writers)
    routes = {f"{view}.{name}": Route(read, owner=owner and name == "show") for name in ("list", "show", "export", "lookup")}
    if write:
        routes |= {f"{view}.{name}": Route(write, owner=owner and name != "add") for name in ("add", "edit", "delete")}
    return routes | (extra or {})


_VALUE_LISTS = (
    "ProgrammeView",
    "LevelView",
    "PublicCategoryView",
    "GeneralObjectiveView",
    "ProfessionalSituationView",
    "ExitReasonView",
    "NationalityView",
    "LastClassView",
    "HighestDiplomaView",
    "StreetTypeView",
    "SurveySituationView",
    "EmploymentContractView",
    "ProfessionalSectorView",
    "SocioProfessionalCategoryView",
    "SiteView",
    "ContactView",
)
_SUPERVISION = (
    "AuditEntryView",
    "NirReadingView",
    "OutboxMessageView",
    "OutboxPartnerView",
    "OutboxInterventionView",
    "PeriodicRunView",
    "MailMessageView",
    "RoleView",
)
_MARKETS = ("ContractModelView", "ActionModelView", "ComponentModelView", "ComponentSiteModelView")


def _all() -> dict[str, Route]:
    routes: dict[str, Route] = {
        # kernel
        **dict.fromkeys(
            (
                "assets.file",
                "ui.accessibility",
                "ui.data_protection",
                "ui.favicon",
                "ui.robots",
                "ui.theme",
                "ui.token",
                "csp.report",
                "health.healthz",
                "health.readyz",
                "metrics.metrics",
                "ui.styleguide",
                "SignInView.login",
                "DemoMailView.index",
                "DemoMailView.show",
                "DemoMailView.source",
            ),
            PUBLIC,
        ),
        "SignInView.logout": Route(SIGNED_IN),
        "ui.search": Route(SIGNED_IN),
        "ui.narrowed": Route(SIGNED_IN),
        "ui.resume": Route(SIGNED_IN),
        "ui.presence": Route(SIGNED_IN),
        "ui.page_draft": Route(SIGNED_IN),
        "ui.drop_page_draft": Route(SIGNED_IN),
        "TownLookup.communes": Route(SIGNED_IN),
        "HomeView.index": Route(SIGNED_IN),
        # accounts
        **{f"MyAccountView.{name}": Route(SIGNED_IN) for name in ("show", "change_password", "end_sessions")},
        # first access, recovery, one's own identifiant and address
        **{f"AccessView.{name}": PUBLIC for name in ("open", "choose", "renew", "recover", "sent", "open_email", "confirm_email")},
        "MyAccountView.change_identifiant": Route(SIGNED_IN),
        **{f"MyAccountView.{name}": Route(PRINCIPALS | REGION | {"support"}) for name in ("change_email", "resend_email", "cancel_email")},
        # second factor and tokens
        "SignInView.code": PUBLIC,
        **{f"SecondFactorView.{name}": Route(SIGNED_IN) for name in ("start", "setup", "picture", "codes", "download", "renew", "move", "disable")},
        "FactorResetView.reset": Route(ADMIN | {"support"}),
        **{f"TokensView.{name}": Route(SIGNED_IN, owner=name == "revoke") for name in ("create", "created", "revoke")},
        "api_v1.describe": PUBLIC,
        **{f"api_v1.{name}": Route(frozenset(), bearer=True) for name in ("account", "organisation", "accounts", "one_account", "edit_account")},
        **{
            f"api_v1.{name}": Route(frozenset(), bearer=True)
            for name in ("send_import", "imports", "one_import", "import_errors", "import_report", "name_import_columns", "apply_import", "undo_import", "retry_import", "check_import_aside")
        },
        "OrganisationTokensView.list": Route(PRINCIPALS),
        "OrganisationTokensView.revoke": Route(PRINCIPALS, owner=True),
        "MyOrganisationView.show": Route(PRINCIPALS),
        "OrganisationAccountsView.list": Route(PRINCIPALS),
        "OrganisationAccountsView.create": Route(PRINCIPALS),
        **{f"OrganisationAccountsView.{name}": Route(PRINCIPALS, owner=True) for name in ACCOUNT_ACTS},
        **{f"AccountConsoleView.{name}": Route(CONSOLE) for name in ("list", "show", *ACCOUNT_ACTS)},
        "DelegationsView.list": Route(PRINCIPALS),
        "DelegationsView.take_back": Route(PRINCIPALS, owner=True),
        "AccountRightsView.edit": Route(PRINCIPALS | CONSOLE, owner=True),
        # accounts: the console's acts on organisations, the journal, account hygiene
        "OrganisationCreationView.create": Route(CONSOLE),
        **{f"PrincipalChangeView.{name}": Route(CONSOLE) for name in ("show", "change")},
        "AccountHistoryView.list": Route(CONSOLE),
        "OrganisationHistoryView.list": Route(PRINCIPALS),
        "AccountReviewView.show": Route(PRINCIPALS),
        **{f"BulkAccountsView.{name}": Route(CONSOLE) for name in ("index", "template", "show", "apply", "errors")},
        "ObservationView.start": Route(frozenset({"support"})),
        "ObservationView.end": Route(SIGNED_IN),
        # actions
        "ActionsView.index": Route(READERS),
        "ActionsView.show": Route(READERS, owner=True),
        **{f"ActionsView.{name}": Route(READERS, owner=True) for name in ("components", "declarations", "invoices", "history")},
        "SessionsView.show": Route(READERS, owner=True),
        **{
            f"SessionsView.{name}": Route(WRITERS | ADMIN, owner=True)
            for name in ("add", "edit", "cancel", "add_meeting", "edit_meeting", "remove_meeting")
        },
        **{f"SessionsView.{name}": Route(ADMIN) for name in ("add_site", "towns")},
        "ClosingView.declare": Route(WRITERS, owner=True),
        **{f"ClosingView.{name}": Route(CLOSERS) for name in ("close", "reopen")},
        "ActionsView.close": Route(CLOSERS),
        # the exports: the page of choice says itself who sees its list (``tests/exports``)
        **{f"ExportsView.{name}": Route(READERS) for name in ("index", "state", "seen")},
        "ExportsView.choose": Route(READERS),
        **{f"ExportsView.{name}": Route(READERS, owner=True) for name in ("download", "delete")},
        "ExportSelectionsView.index": Route(READERS),
        **{f"ExportSelectionsView.{name}": Route(READERS, owner=True) for name in ("rename", "delete")},
        **{f"SavedSearchesView.{name}": Route(READERS) for name in ("index", "create")},
        **{f"SavedSearchesView.{name}": Route(READERS, owner=True) for name in ("rename", "delete")},
        "ActionExportsView.choose": Route(READERS),
        **{f"OpeningView.{name}": Route(WRITERS, owner=True) for name in ("start", "show", "save", "save_draft", "ask_to_abandon", "abandon")},
        # modification requests
        "RequestsView.queue": Route(DECIDERS),
        "RequestsView.of_action": Route(READERS, owner=True),
        "RequestsView.choose": Route(WRITERS, owner=True),
        "RequestsView.show": Route(READERS, owner=True),
        "RequestsView.decide": Route(DECIDERS),
        "RequestsView.withdraw": Route(WRITERS, owner=True),
        "BatchView.confirm": Route(DECIDERS),
        **{f"MarketRulesView.{name}": Route(REGION) for name in ("index", "try_out")},
        **{f"MarketRulesView.{name}": Route(ADMIN) for name in ("begin", "publish", "discard")},
        **_screens("MarketRuleView", REGION, ADMIN),
        **{f"MarketRuleVersionView.{name}": Route(REGION) for name in ("list", "show", "export")},
        "MarketRuleVersionView.edit": Route(ADMIN),
        "RequestDocumentsView.of_action": Route(READERS, owner=True),
        **{f"RequestDocumentsView.{name}": Route(READERS, owner=True) for name in ("download", "letter", "letter_page")},
        "RequestDocumentsView.attach_letter": Route(WRITERS, owner=True),
        "RequestDocumentsView.confirm": Route(PRINCIPALS, owner=True),
        **{
            f"{kind}RequestView.{name}": Route(WRITERS, owner=True)
            for kind in ("Dates", "Reference", "Volumes", "Sites", "Partners")
            for name in ("start", "show", "save", "save_draft", "ask_to_abandon", "abandon")
        },
        # trainees
        "TraineesView.index": Route(READERS),
        "TraineesView.of_action": Route(READERS, owner=True),
        "TraineesView.panel": Route(READERS, owner=True),
        "TraineesView.person": Route(READERS, owner=True),
        **{f"RegistrationView.{name}": Route(WRITERS, owner=True) for name in ("start", "show", "save", "save_draft", "ask_to_abandon", "abandon", "identity", "aside")},
        "RegistrationPages.show": Route(READERS, owner=True),
        "RegistrationPages.agora": Route(READERS, owner=True),
        "RegistrationPages.contact": Route(WRITERS, owner=True),
        "RegistrationPages.situation": Route(WRITERS, owner=True),
        "RegistrationPages.reveal": Route(WRITERS | ADMIN, owner=True),
        **{f"IdentityPages.{name}": Route(WRITERS, owner=True) for name in ("edit", "confirm", "check")},
        "TraineesView.without_nir": Route(READERS),
        "IdentityCorrectionsView.index": Route(READERS),
        "IdentityCorrectionsView.show": Route(READERS, owner=True),
        "IdentityCorrectionsView.ask": Route(WRITERS, owner=True),
        "IdentityCorrectionsView.withdraw": Route(WRITERS, owner=True),
        "IdentityCorrectionsView.attach": Route(WRITERS, owner=True),
        "IdentityCorrectionsView.download": Route(WRITERS | DECIDERS, owner=True),
        "IdentityCorrectionsView.decide": Route(DECIDERS, owner=False),
        "NumberRepairView.index": Route(WRITERS),
        "NumberRepairView.file": Route(WRITERS),
        **{f"NumberRepairView.{name}": Route(WRITERS, owner=True) for name in ("show", "progress", "confirm", "forget", "errors")},
        "RegistrationPages.towns": Route(WRITERS),
        **{f"EnrolmentView.{name}": Route(WRITERS, owner=True) for name in ("choose", "add", "change", "leave")},
        **{f"EnrolmentLifeView.{name}": Route(WRITERS, owner=True) for name in ("interrupt", "resume", "undo_exit", "cancel", "choose", "move")},
        "EnrolmentLifeView.judge": Route(WRITERS | CLOSERS, owner=True),
        # situation surveys
        "SurveysView.index": Route(READERS),
        "SurveysView.show": Route(READERS, owner=True),
        **{f"SurveysView.{name}": Route(WRITERS, owner=True) for name in ("edit", "unreached", "retry")},
        **{f"SurveyReplyView.{name}": PUBLIC for name in ("open", "open_stop", "answer", "thanks", "stop")},
        # partner console
        **{f"ExchangesView.{name}": Route(REGION) for name in ("index", "state", "search")},
        **{f"ExchangesView.{name}": Route(ORGANISATION) for name in ("own",)},
        "ExchangesView.show": Route(READERS, owner=True),
        "IdentitySearchesView.index": Route(READERS),
        "ExchangesView.resend": Route(WRITERS, owner=True),
        **{f"ExchangesView.{name}": Route(ADMIN) for name in ("settle", "replay", "stop", "resume", "rate")},
        **{f"ReconciliationView.{name}": Route(REGION) for name in ("index", "show")},
        **{f"ReconciliationView.{name}": Route(ADMIN) for name in ("start", "settle")},
        **_screens("PartnerCodeView", REGION, ADMIN),
        "ImportsView.index": Route(WRITERS),
        "ImportsView.send": Route(WRITERS),
        **{
            f"ImportsView.{name}": Route(WRITERS, owner=True)
            for name in ("show", "progress", "columns", "columns_again", "check_again", "check_aside", "retry", "confirm", "undo", "give_up", "line", "leave_out", "put_back", "annotated")
        },
        **{f"ImportDocumentsView.{name}": PUBLIC for name in ("specification", "specification_pdf", "template", "example")},
        "FileCheckView.check": PUBLIC,
        "ImportsByProgramView.guide": Route(PRINCIPALS),
        # supervision
        "OutboxMessageView.action": Route(ADMIN),
        "OutboxMessageView.action_post": Route(ADMIN),
        "OutboxMessageView.settle": Route(ADMIN),
    }
    for view in _VALUE_LISTS:
        routes |= _screens(view, REGION, ADMIN)
    routes |= _screens("TownView", REGION) | {"SiteView.towns": Route(frozenset(REGION))}
    for view in _SUPERVISION:
        routes |= _screens(view, ADMIN)
    for view in _MARKETS:
        routes |= _screens(view, REGION, ADMIN)
    return routes | _screens("OrganisationView", REGION | {"support"}, ADMIN, extra={"OrganisationView.export": Route(CLOSERS)})


ROUTES: dict[str, Route] = _all()
