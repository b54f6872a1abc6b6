"""Flask-AppBuilder's security manager, closed where stock behaviour is open.

Kept of the stock one: roles, permissions, the decorators of views. Replaced: who is signed in (server-side sessions), how
one signs in (``authentication``), hashing, permission look-ups. Gone: JSON Web Tokens, API keys, self-registration, the
stock screens for users, groups, passwords and permissions.
"""

from __future__ import annotations

from typing import Any, Final

from flask import abort, current_app, flash, g, has_request_context, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import IndexView, ModelView
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_babel import gettext as _
from flask_limiter import Limiter
from flask_login import LoginManager, current_user
from sqlalchemy import func, select

from app.accounts import domain, observations, passwords, sessions
from app.accounts.access import factor
from app.accounts.models import User
from app.core import api, clock, context, tenancy
from app.core.extensions import db
from app.core.fab.access import CachedPermissionsMixin
from app.core.functions import Function, function_of, narrowed
from app.core.roles import PUBLIC_ROLE, REGION_ROLES, Grant, Role
from app.core.tenancy import Scope
from app.core.transaction import transaction
from app.core.ui.error_pages import is_htmx, wants_json
from app.core.ui.store import request_store

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Endpoints that never ask who is there: a style sheet is not worth a query.
_ANONYMOUS_ENDPOINTS: Final = frozenset({"assets.file", "csp.report", "ui.theme", "ui.favicon", "ui.robots"})
_RIGHTS: Final = "portal.rights"
#: Views that are the principal's own: who stands in for it lends nothing on.
NOT_LENT: Final = frozenset({"Delegations"})
#: What stays open to an account that must set up its second factor first: the way to do it, and the way out.
_BEFORE_FACTOR: Final = frozenset(
    {
        *(f"SecondFactorView.{name}" for name in ("start", "setup", "picture", "codes", "download")),
        "AccessView.open_email",  # it needs nobody to be signed in
        "AccessView.confirm_email",
        "SignInView.logout",
        "ui.accessibility",
        "ui.data_protection",
        "ui.token",
    }
)
#: Where the cookie keeps the secret of a session that waits for the code of the second factor.
WAITING_KEY: Final = "_waiting"
_MUST_SET_UP: Final = "accounts.must_set_up_factor"


def scope_of(user: User) -> Scope:
    """What an account may see: its organisation (or its actions there), the Région's whole, or support's part; nothing without a role.

    Who stands in for the principal sees what the principal sees.
    """
    roles = {role.name for role in user.roles}
    if user.organisation_id is not None:
        limited = user.limited_to_actions and user.mandate is None and Role.PRINCIPAL not in roles
        return Scope.organisation(user.organisation_id, limited_account=user.id if limited else None)
    if roles & {str(role) for role in REGION_ROLES}:
        return Scope.region()
    return Scope.support() if Role.SUPPORT in roles else Scope.nothing()


class PortalSecurityManager(CachedPermissionsMixin, SecurityManager):  # type: ignore[misc]  # Flask-AppBuilder is partly typed
    """The portal's security manager (``FAB_SECURITY_MANAGER_CLASS``)."""

    user_model = User

    def __init__(self, appbuilder: Any) -> None:
        current_app.config["AUTH_ROLE_ADMIN"] = Role.REGION_ADMIN.value
        current_app.config["AUTH_ROLE_PUBLIC"] = PUBLIC_ROLE
        current_app.config["AUTH_DB_FAKE_PASSWORD_HASH_CHECK"] = passwords.DUMMY_HASH
        current_app.config["AUTH_USER_REGISTRATION"] = False
        current_app.config["FAB_API_KEY_ENABLED"] = False
        super().__init__(appbuilder)

    # ---- set-up ------------------------------------------------------------------------------------------------------

    def create_login_manager(self, app: Any) -> LoginManager:
        """Flask-Login only carries the account through the request: no "remember me" cookie, no query at sign-out."""
        manager = LoginManager(app)
        manager.session_protection = None
        manager.login_view = "SignInView.login"
        manager.user_loader(self.load_user)
        manager.request_loader(lambda _request: api.account_of_request())
        return manager

    def create_limiter(self, app: Any) -> Limiter:
        """The limiter counts by customer, so that one IPv6 network is one address."""
        limiter = Limiter(key_func=lambda: sessions.address_key(request.remote_addr))
        limiter.init_app(app)
        return limiter

    def create_db(self) -> None:
        """Tables come from migrations, roles from ``sync-security``: start-up writes nothing."""

    def register_views(self) -> None:
        """The sign-in view alone; the feature adds the other screens."""
        from app.accounts.views.sign_in import SignInView

        self.user_view = None
        self.auth_view = self.appbuilder.add_view_no_menu(SignInView)
        if self.is_auth_limited:
            # Only refusals count: an organisation of thirty signs in through one address at nine o'clock.
            self.limiter.limit(self.auth_rate_limit, methods=["POST"], deduct_when=lambda response: response.status_code >= 400)(self.auth_view.blueprint)

    # ---- who is there ------------------------------------------------------------------------------------------------

    @staticmethod
    def before_request() -> ResponseReturnValue | None:
        """Find the account, bind its scope, and send people who are not signed in to the sign-in page."""
        g.user = current_user
        if request.endpoint is None or request.endpoint in _ANONYMOUS_ENDPOINTS or api.is_api_request():
            return None
        if current_user.is_authenticated:
            if must_set_up_factor() and request.endpoint not in _BEFORE_FACTOR:
                return _ask_to_set_up()
            return observations.refusal()
        view = current_app.view_functions.get(request.endpoint)
        # Flask-AppBuilder's routes for actions carry no permission of their own (the action's is checked inside), nor does the home page.
        protected = hasattr(view, "_permission_name") or isinstance(getattr(view, "__self__", None), (ModelView, IndexView))
        return _ask_to_sign_in() if protected else None

    def load_user(self, token: str) -> User | None:
        """The account behind the session's secret, with its scope and name bound to the request; None if it is worth nothing.

        The programming interface knows no cookie: there it is worth nothing, whatever it holds.
        """
        if api.is_api_request():
            return None
        try:
            tenancy.bind(Scope.system())
            found = sessions.find(db.session(), str(token))
            if found is not None and found.session.last_seen_at < clock.now() - domain.SESSION_TOUCH:
                with transaction() as open_transaction:
                    sessions.touch(open_transaction, found.session.id)
                found = sessions.find(db.session(), str(token))
        except BaseException:
            tenancy.reset()
            raise
        if found is None:
            tenancy.bind(Scope.nothing())
            return None
        user = found.user
        if has_request_context():
            request_store()[_MUST_SET_UP] = not found.has_factor and factor.required_for(user)
        context.set_actor_id(user.id)
        observed = observations.begin(user, found.session)
        if observed is not None:
            tenancy.act_on_behalf_of(observed.id)
            tenancy.bind(Scope.observer(observed.organisation_id, limited_account=scope_of(observed).limited_account))
            return observed
        tenancy.bind(scope_of(user))
        return user

    def load_user_jwt(self, _jwt_header: Any, _jwt_data: Any) -> None:
        """No token opens the portal."""

    def validate_api_key(self, _api_key_string: str) -> None:
        """No key opens the portal."""

    @property
    def current_user(self) -> User | None:
        """The account signed in, if any."""
        return current_user._get_current_object() if current_user and current_user.is_authenticated else None

    # ---- what it may do ----------------------------------------------------------------------------------------------

    def get_user_roles(self, user: Any) -> list[Any]:
        """The account's roles; people who are not signed in have none, and groups are not used."""
        return list(user.roles) if user is not None and user.is_authenticated else []

    def get_user_permissions(self, user: Any) -> set[tuple[str, str]]:
        """The (permission, view) pairs of the account, from the request's cache."""
        return set(self.granted(user))

    def granted(self, user: Any) -> frozenset[Grant]:
        """What the account holds: its roles less the functions it lacks, and what it was lent for these days. One statement a request."""
        return self.own_grants(user) | self.lent_grants(user)

    def own_grants(self, user: Any) -> frozenset[Grant]:
        """What the account holds by itself."""
        return self._rights(user)[0]

    def lent_grants(self, user: Any) -> frozenset[Grant]:
        """What the account holds through a delegation: all that the principal may do, but lending it on."""
        return self._rights(user)[1]

    def _rights(self, user: Any) -> tuple[frozenset[Grant], frozenset[Grant]]:
        roles = self.get_user_roles(user)
        own_ids = {role.id for role in roles}
        mandate = getattr(user, "mandate", None)
        ids = tuple(sorted(own_ids.union(mandate.role_ids if mandate else ())))
        if not ids:
            return frozenset(), frozenset()
        managed = domain.can_be_narrowed(domain.Party(user.id, frozenset(role.name for role in roles), user.organisation_id))
        names = tuple(user.functions) if managed and user.functions is not None else None
        cache: dict[Any, tuple[frozenset[Grant], frozenset[Grant]]] = request.environ.setdefault(_RIGHTS, {}) if has_request_context() else {}
        key = (user.id, ids, names, mandate)
        if key not in cache:
            by_role = self.granted_by_role(ids)
            held = frozenset(pair for role_id in own_ids for pair in by_role[role_id])
            lent = frozenset(pair for role_id in mandate.role_ids for pair in by_role[role_id]) if mandate else frozenset()
            cache[key] = narrowed(held, names), frozenset(pair for pair in lent if pair[1] not in NOT_LENT)
        return cache[key]

    def has_access(self, permission_name: str, view_name: str) -> bool:
        """Whether the account signed in holds the permission on the view.

        What it may do only because of a delegation is done on behalf of the principal, and the journal says so from here on. For
        an account limited to some actions that is all its work: which action is meant is not known at the door.
        """
        if not (current_user and current_user.is_authenticated and current_user.is_active):
            return False
        pair = (permission_name, view_name)
        mandate = current_user.mandate
        if pair in self.own_grants(current_user):
            if mandate is not None and current_user.limited_to_actions and function_of(pair) not in (None, Function.CONSULT):
                tenancy.act_on_behalf_of(mandate.delegator_id)
            return True
        if pair in self.lent_grants(current_user):
            tenancy.act_on_behalf_of(mandate.delegator_id)
            return True
        if domain.can_be_narrowed(current_user.party) and current_user.functions is not None:
            g.missing_function = function_of(pair)
        return False

    def is_item_public(self, permission_name: str, view_name: str) -> bool:
        """Nothing is public: what needs no account has no permission."""
        return False

    def get_user_menu_access(self, menu_names: list[str] | None = None) -> set[str]:
        """The menus the account may open."""
        return {view for permission, view in self.granted(current_user) if permission == "menu_access"}

    # ---- accounts ----------------------------------------------------------------------------------------------------

    def find_user(self, username: str | None = None, email: str | None = None) -> User | None:
        """The account of this identifiant, without regard to case. A mailbox names no account: several may share it."""
        key = domain.normalise_identifiant(username)
        if not key:
            return None
        found: User | None = self.session.scalar(select(User).where(func.lower(User.username) == key))
        return found

    def auth_user_db(self, username: str | None, password: str | None) -> User | None:
        """Flask-AppBuilder's own way in: it takes the same counted path."""
        from app.accounts.authentication import sign_in

        address = request.remote_addr if has_request_context() else None
        signed_in = sign_in(username or "", password or "", ip=address, user_agent=None)
        return None if signed_in is None or signed_in.code_asked else self.get_user_by_id(signed_in.user_id)

    def add_user(self, *args: Any, **kwargs: Any) -> Any:
        """Accounts are made by ``accounts.services.create_account``: the stock way knows neither policy nor hash."""
        raise NotImplementedError("use app.accounts.services.create_account")

    def reset_password(self, userid: int, password: str) -> None:
        """Set a password under the policy; every session of the account ends."""
        from app.accounts.services import set_password

        set_password(int(userid), password)


def _ask_to_sign_in() -> ResponseReturnValue:
    """Send to the sign-in page, and back afterwards (the layout turns this into "form kept" or 401 where it must)."""
    if session.pop(sessions.COOKIE_KEY, None) is not None:
        flash(_("Your session has ended: sign in again."), "info")
    if request.method not in _SAFE_METHODS:
        return redirect(url_for("SignInView.login"), 303)
    back = request.full_path if request.query_string else request.path
    return redirect(url_for("SignInView.login", next=back if back != "/" else None))


def _ask_to_set_up() -> ResponseReturnValue:
    """Send to the page that sets up the mandatory second factor; parts of pages and calls of scripts are refused."""
    if is_htmx() or wants_json():
        abort(403)
    return redirect(url_for("SecondFactorView.start"), 303)


def must_set_up_factor() -> bool:
    """Whether the account signed in must set up its second factor before anything else."""
    return bool(current_user.is_authenticated and request_store().get(_MUST_SET_UP))


def start_waiting(token: str) -> None:
    """Put the secret of a session that waits for a code into the cookie, apart from where a session's stands."""
    session.clear()
    session[WAITING_KEY] = token


def waiting_token() -> str | None:
    """The secret of the session that waits for a code."""
    token = session.get(WAITING_KEY)
    return str(token) if token else None


def start_session(token: str) -> None:
    """Put a new session's secret into the browser's cookie; nothing of the former cookie survives (fixation)."""
    session.clear()
    session[sessions.COOKIE_KEY] = token


def current_token() -> str | None:
    """The secret of the session under way."""
    token = session.get(sessions.COOKIE_KEY)
    return str(token) if token else None
