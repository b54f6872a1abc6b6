"""What the tests of FAB screens share: tokens of forms, a count of statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
_FIELD = re.compile(r'<input type="hidden"[^>]*name="(row_version|row_base)"[^>]*value="([^"]*)"')


class Browser:
    """A signed-in client that fills forms as a person does: reads the page, then posts with its token."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, url: str, **kwargs: Any) -> Any:
        return self.client.get(url, **kwargs)

    def hidden(self, url: str) -> dict[str, str]:
        """The token and the version that the form at ``url`` carries."""
        page = self.client.get(url).get_data(as_text=True)
        token = _TOKEN.search(page)
        assert token is not None, page[:2000]
        return {"csrf_token": token.group(1), **dict(_FIELD.findall(page))}

    def post(self, url: str, data: dict[str, Any] | None = None, *, form: str | None = None) -> Any:
        """Post what the form at ``form`` (default: the same address) would."""
        return self.client.post(url, data={**self.hidden(form or url), **(data or {})})


@pytest.fixture
def browse(as_user: Callable[[str], FlaskClient]) -> Callable[[str], Browser]:
    """``browse("admin")``: a browser signed in as that account."""
    return lambda identifier: Browser(as_user(identifier))


@pytest.fixture
def statements(app: Flask) -> Callable[[], AbstractContextManager[list[str]]]:
    """``with statements() as seen:`` collects the SQL of a block, without transaction control."""
    from sqlalchemy import Engine, event

    @contextmanager
    def collect() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if "set_config" not in statement and "SAVEPOINT" not in statement:
                seen.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(Engine, "before_cursor_execute", note)

    return collect
