"""Flask-AppBuilder's security manager, closed where stock behaviour is open.

Kept of the stock one: roles, permissions, the decorators of views. Replaced: who is signed in (server-side sessions), how
one signs in (``authentication``), hashing, permission look-ups. Gone: JSON Web Tokens, API keys, self-registration, the
stock screens for users, groups, passwords and permissions.
"""

from __future__ import annotations

from typing import Any, Final

from flask import current_app, flash, g, has_request_context, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import ModelView
from flask_appbuilder.security.sqla.manager import SecurityManager
from flask_babel import gettext as _
from flask_limiter import Limiter
from flask_login import LoginManager, current_user
from sqlalchemy import func, select

from app.accounts import domain, observations, passwords, sessions
from app.accounts.models import User
from app.core import clock, context, tenancy
from app.core.extensions import db
from app.core.fab.access import CachedPermissionsMixin
from app.core.roles import PUBLIC_ROLE, REGION_ROLES, Role
from app.core.tenancy import Scope
from app.core.transaction import transaction

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Endpoints that never ask who is there: a style sheet is not worth a query.
_ANONYMOUS_ENDPOINTS: Final = frozenset({"assets.file", "csp.report", "ui.theme", "ui.favicon", "ui.robots"})


def scope_of(user: User) -> Scope:
    """What an account may see: its organisation, the Région's whole, or support's part; nothing without a role."""
    roles = {role.name for role in user.roles}
    if user.organisation_id is not None:
        return Scope.organisation(user.organisation_id)
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
        if request.endpoint is None or request.endpoint in _ANONYMOUS_ENDPOINTS:
            return None
        if current_user.is_authenticated:
            return observations.refusal()
        view = current_app.view_functions.get(request.endpoint)
        # Flask-AppBuilder's routes for actions carry no permission of their own: the action's is checked inside.
        protected = hasattr(view, "_permission_name") or isinstance(getattr(view, "__self__", None), ModelView)
        return _ask_to_sign_in() if protected else None

    def load_user(self, token: str) -> User | None:
        """The account behind the session's secret, with its scope and name bound to the request; None if it is worth nothing."""
        try:
            tenancy.bind(Scope.system())
            found = sessions.find(db.session(), str(token))
            if found is not None and found[1].last_seen_at < clock.now() - domain.SESSION_TOUCH:
                with transaction() as open_transaction:
                    sessions.touch(open_transaction, found[1].id)
                found = sessions.find(db.session(), str(token))
        except BaseException:
            tenancy.reset()
            raise
        if found is None:
            tenancy.bind(Scope.nothing())
            return None
        user = found[0]
        context.set_actor_id(user.id)
        observed = observations.bind(user, found[1])
        if observed is not None:
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

    def has_access(self, permission_name: str, view_name: str) -> bool:
        """Whether the account signed in holds the permission on the view."""
        return bool(current_user and current_user.is_authenticated and current_user.is_active and (permission_name, view_name) in self.granted(current_user))

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
        return None if signed_in is None else self.get_user_by_id(signed_in.user_id)

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


def start_session(token: str) -> None:
    """Put a new session's secret into the browser's cookie; nothing of the former cookie survives (fixation)."""
    session.clear()
    session[sessions.COOKIE_KEY] = token


def current_token() -> str | None:
    """The secret of the session under way."""
    token = session.get(sessions.COOKIE_KEY)
    return str(token) if token else None
