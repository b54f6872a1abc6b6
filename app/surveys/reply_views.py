"""The survey as the trainee answers it: pages that need no account, opened by a personal link (decision 0020).

The secret goes from its address into the sealed cookie (``core.secret_links``).  A link that never was and one that expired
get the same page; one about an exit that was cancelled says so.  Nothing is shown of the person beyond the first name and the training.
"""

from __future__ import annotations

from typing import Any, Final

from flask import make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_appbuilder import BaseView, expose

from app.core.secret_links import into_cookie, secret_of

from . import replies
from .forms import ReplyForm

PREFIX: Final = "/enquete/"
#: What stands openly behind the prefix.
PUBLIC_PARTS: Final = ("repondre", "merci", "ne-plus-recevoir")
#: Where the cookie keeps the secret of the link that was opened.
_LINK: Final = "survey_link"


class SurveyReplyView(BaseView):  # type: ignore[misc]  # Flask-AppBuilder is only partly typed
    """Opening a link changes nothing: mail scanners open links."""

    route_base = "/enquete"
    default_view = "answer"

    @expose("/<token>")
    def open(self, token: str) -> ResponseReturnValue:
        """Take the secret out of the address, on the way to the questions."""
        return into_cookie(_LINK, token, ".answer")

    @expose("/<token>/ne-plus-recevoir")
    def open_stop(self, token: str) -> ResponseReturnValue:
        """The same, on the way to the refusal of further messages."""
        return into_cookie(_LINK, token, ".stop")

    @expose("/repondre", methods=("GET", "POST"))
    def answer(self) -> ResponseReturnValue:
        """The questions; they can be answered again as long as the link is good."""
        try:
            asked = replies.look_up(secret_of(_LINK))
        except replies.LinkUnusable as end:
            return self._unusable(end.why)
        form = ReplyForm()
        if request.method == "POST" and form.validate():
            try:
                replies.reply(secret_of(_LINK), form.answers())
            except replies.LinkUnusable as end:
                return self._unusable(end.why)
            return redirect(url_for(".thanks"), 303)
        return self._page("surveys/reply/answer.html", 422 if form.errors else 200, asked=asked, form=form)

    @expose("/merci")
    def thanks(self) -> ResponseReturnValue:
        """What becomes of the answers, and how to change them."""
        try:
            asked = replies.look_up(secret_of(_LINK))
        except replies.LinkUnusable as end:
            return self._unusable(end.why)
        return self._page("surveys/reply/thanks.html", asked=asked)

    @expose("/ne-plus-recevoir", methods=("GET", "POST"))
    def stop(self) -> ResponseReturnValue:
        """No more messages; asked first, since links are opened by machines too."""
        try:
            if request.method == "POST":
                replies.stop(secret_of(_LINK))
                return redirect(url_for(".stop"), 303)
            asked = replies.look_up(secret_of(_LINK))
        except replies.LinkUnusable as end:
            return self._unusable(end.why)
        return self._page("surveys/reply/stop.html", asked=asked)

    def _unusable(self, why: replies.LinkEnd) -> ResponseReturnValue:
        return self._page("surveys/reply/unusable.html", 404, why=why.value)

    def _page(self, template: str, status: int = 200, **values: Any) -> ResponseReturnValue:
        return make_response(self.render_template(template, **values), status)
