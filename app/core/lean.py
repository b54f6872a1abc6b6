"""Keeps out of memory the parts of libraries that a process does not use, or not yet.

Each process that serves holds the whole application, so a module loaded for nothing is paid once a process. Nothing is taken
away: a module named here is still imported by whoever wants it, but read only when somebody first uses something of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any, Final

#: Imported by Flask-AppBuilder and its helpers for the checks and the documentation of a REST API, for other databases, other drivers of
#: ours, and asynchronous servers; then by the portal itself, for what a process seldom does. Works for those imported whole
#: (``import segno``, not ``from segno import make``).
LATER: Final = frozenset(
    {
        "apispec.yaml_utils",
        "jsonschema",
        "yaml",
        "sqlalchemy.dialects.oracle",
        "sqlalchemy.dialects.sqlite",
        "sqlalchemy.dialects.postgresql.asyncpg",
        "sqlalchemy.dialects.postgresql.pg8000",
        "sqlalchemy.dialects.postgresql.psycopg2cffi",
        "limits.aio",
        "redis.asyncio",
        "phonenumbers",
        "pdb",
        "segno",
        "xlsxwriter",
    }
)

#: What a library takes up wherever it is installed (other packages brought these) and does as well without: structlog would draw
#: tracebacks with rich, the local variables in them, in colours, and keep an obsolete context per greenlet; httpx has a command line
#: that uses rich; SQLAlchemy-Utils has a column of phone numbers; Flask-AppBuilder brings JSON web tokens, which open nothing here, and
#: those signed by certificates, and pictures, which no account has.
WITHOUT: Final = {
    "structlog": ("rich", "greenlet", "colorama"),
    "httpx": ("rich", "pygments"),
    "sqlalchemy_utils.types.phone_number": ("phonenumbers",),
    "jwt.algorithms": ("cryptography.x509",),
    "flask_appbuilder.filemanager": ("PIL",),
}

_lock = RLock()


class Unread(ModuleType):
    """A module that is read when an attribute is first missed in it.

    The standard library's LazyLoader would not do: it reads the module as soon as it is imported a second time.
    """

    def __getattr__(self, name: str) -> Any:
        with _lock:
            if type(self) is Unread:
                if self.__dict__.get("__being_read__"):  # a circle: it has what it has
                    raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} yet", name=name, obj=self)
                self.__dict__["__being_read__"] = True
                try:
                    spec: Any = self.__spec__
                    spec.loader.usual.exec_module(self)
                    self.__class__ = ModuleType  # type: ignore[assignment]  # from now on it is like any other
                finally:
                    del self.__dict__["__being_read__"]
        return getattr(self, name)


class _Later(Loader):
    """Makes a module and leaves it unread."""

    def __init__(self, usual: Loader) -> None:
        self.usual = usual

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = Unread


class _Without(Loader):
    """Loads a module that finds some packages absent."""

    def __init__(self, usual: Loader, absent: Sequence[str]) -> None:
        self._usual = usual
        self._absent = absent

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        hidden = [name for name in self._absent if name not in sys.modules]
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is Python's own mark for "absent"
        try:
            self._usual.exec_module(module)
        finally:
            for name in hidden:
                del sys.modules[name]


class _Finder:
    """Finds the modules named above where they are, and has them loaded in their own way."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in LATER and name not in WITHOUT:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Later(spec.loader) if name in LATER else _Without(spec.loader, WITHOUT[name])
        return spec


def install() -> None:
    """From now on; what is loaded already stays as it is."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
