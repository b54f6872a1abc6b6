"""Where an embedded installation lives, and as whom its servers run.

An ordinary user keeps everything in DATA_DIR. PostgreSQL refuses to run as root: root's servers run as a system user, and their
data stay in DATA_DIR only when that user may walk there; otherwise they go under /var/lib. No mode of an existing folder
is ever loosened.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from launcher import keys
from launcher.errors import LaunchError, sentence_for
from launcher.process import Account

SYSTEM_ROOT = Path("/var/lib/portail-formation")
SYSTEM_USER = "portail-formation"
SOCKET_NAME_ROOM = 20  # "/.s.PGSQL.5432" and the like; the whole path may take 103 bytes everywhere
SOCKET_PATH_LIMIT = 103
ROOM_NEEDED_MB = 300


@dataclass(frozen=True)
class Place:
    """The folders of one installation."""

    data_dir: Path
    storage: Path
    sockets: Path
    account: Account | None

    @property
    def logs(self) -> Path:
        """Log files of every process."""
        return self.data_dir / "logs"

    @property
    def keys_file(self) -> Path:
        """Keys and passwords."""
        return self.data_dir / "keys.env"

    def remove_storage(self) -> None:
        """Deletes the servers' data: for throw-away installations (tests)."""
        shutil.rmtree(self.storage / "postgres", ignore_errors=True)
        shutil.rmtree(self.storage / "redis", ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)
        if self.storage != self.data_dir:
            shutil.rmtree(self.storage, ignore_errors=True)
            (self.data_dir / "storage").unlink(missing_ok=True)


def open_place(data_dir: Path | str) -> Place:
    """Finds or makes the folders of the installation kept in `data_dir`."""
    data_dir = Path(os.path.abspath(os.path.expanduser(data_dir)))
    try:
        root = os.geteuid() == 0
        if not data_dir.exists():
            data_dir.mkdir(parents=True)
            data_dir.chmod(0o711 if root else 0o700)
        data_dir = data_dir.resolve()
        check_room(data_dir)
        (data_dir / "logs").mkdir(mode=0o700, exist_ok=True)
        account = service_account() if root else None
        storage = _storage(data_dir, account)
        sockets = _sockets(storage, data_dir, account)
    except OSError as error:
        raise LaunchError(sentence_for(error, f"préparer le dossier de données {data_dir}")) from None
    return Place(data_dir, storage, sockets, account)


def check_room(folder: Path) -> None:
    """Refuses to begin on a disk that is nearly full."""
    free = shutil.disk_usage(folder).free // (1024 * 1024)
    needed = ROOM_NEEDED_MB if not (folder / "keys.env").exists() else ROOM_NEEDED_MB // 6
    if free < needed:
        raise LaunchError(f"Le disque est plein : il reste {free} Mo pour {folder}, il en faut {needed} ; libérez de la place ou choisissez un autre DATA_DIR.")


def take_lock(path: Path, refusal: str) -> IO[str]:
    """Holds an exclusive lock on `path` as long as the returned file is open; else LaunchError(refusal)."""
    try:
        handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+", encoding="utf-8")
    except OSError as error:
        raise LaunchError(sentence_for(error, f"écrire {path}")) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = handle.read().strip()
        handle.close()
        raise LaunchError(refusal + (f" (processus {holder})." if holder else ".")) from None
    handle.seek(0)
    handle.truncate()
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def service_account() -> Account:
    """The unprivileged user that root's servers run as: our own, an existing `postgres`, or `nobody`."""
    for name in (SYSTEM_USER, "postgres"):
        with contextlib.suppress(KeyError):
            return _account(name)
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd:
        command = [useradd, "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        subprocess.run(command, check=False, capture_output=True)
        with contextlib.suppress(KeyError):
            return _account(SYSTEM_USER)
    try:
        return _account("nobody")
    except KeyError:
        raise LaunchError(f"PostgreSQL refuse de tourner en root et aucun autre utilisateur n’existe : créez-le avec « useradd --system {SYSTEM_USER} ».") from None


def _account(name: str) -> Account:
    entry = pwd.getpwnam(name)
    return Account(name, entry.pw_uid, entry.pw_gid)


def reachable(path: Path, account: Account | None) -> bool:
    """True when `account` (None: ourselves) may walk into the folder `path`."""
    if account is None:
        return os.access(path, os.X_OK)
    for folder in (path, *path.parents):
        info = folder.stat()
        bit = stat.S_IXUSR if info.st_uid == account.uid else stat.S_IXGRP if info.st_gid == account.gid else stat.S_IXOTH
        if not info.st_mode & bit:
            return False
    return True


def private_folder(path: Path, account: Account | None) -> Path:
    """A folder of mode 700 that belongs to `account`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None and path.stat().st_uid != account.uid:
        os.chown(path, account.uid, account.gid)
    return path


def _storage(data_dir: Path, account: Account | None) -> Path:
    """The folder of the servers' data; root's choice is made once and remembered in DATA_DIR/storage."""
    if account is None:
        elsewhere = _pointer(data_dir)
        if elsewhere is not None and elsewhere != data_dir:
            raise LaunchError(f"Les données de {data_dir} ont été créées par root et sont sous {elsewhere} : relancez en root ou choisissez un autre DATA_DIR.")
        return data_dir
    storage = _pointer(data_dir)
    if storage is None:
        if reachable(data_dir, account):
            storage = data_dir
        else:
            digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:10]
            storage = SYSTEM_ROOT / f"{digest}-{secrets.token_hex(3)}"
        keys.write_private(data_dir / "storage", f"{storage if storage != data_dir else '.'}\n")
    if storage != data_dir:
        _system_folder(SYSTEM_ROOT)
        if not storage.exists():
            _sweep()
        _system_folder(storage)
        _claim(storage, data_dir)
    elif not reachable(data_dir, account):
        raise LaunchError(f"L’utilisateur {account.name}, sous lequel tourne PostgreSQL, ne peut plus entrer dans {data_dir} : rendez-lui le droit de passage (chmod o+x) ou déplacez DATA_DIR.")
    return storage


def _pointer(data_dir: Path) -> Path | None:
    try:
        text = (data_dir / "storage").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return data_dir if text == "." else Path(text)


def _claim(storage: Path, data_dir: Path) -> None:
    """Notes which DATA_DIR owns `storage`, so that a copy of DATA_DIR does not open the same data."""
    note = storage / "data_dir"
    known = Path(note.read_text(encoding="utf-8").strip()) if note.exists() else data_dir
    if known != data_dir and (known / "storage").exists() and _pointer(known) == storage:
        raise LaunchError(f"{data_dir} est une copie de {known} et désigne les mêmes données : supprimez {data_dir / 'storage'} pour repartir d’une base vide, ou restaurez une sauvegarde.")
    if known != data_dir or not note.exists():
        keys.write_private(note, f"{data_dir}\n")


def _sweep() -> None:
    """Deletes what throw-away installations left: their DATA_DIR was in the folder for temporary files and is gone."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for note in SYSTEM_ROOT.glob("*/data_dir"):
        owner = Path(note.read_text(encoding="utf-8").strip())
        if owner.is_relative_to(temporary) and not owner.exists():
            shutil.rmtree(note.parent, ignore_errors=True)


def _system_folder(path: Path) -> None:
    """A folder of root's that others may walk through but not list."""
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o711)


def _sockets(storage: Path, data_dir: Path, account: Account | None) -> Path:
    """A private folder whose path is short enough for a unix socket."""
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:10]
    candidates = [storage / "s"]
    if account is not None:
        candidates.append(Path("/run") / SYSTEM_USER / digest)
    elif os.environ.get("XDG_RUNTIME_DIR"):
        candidates.append(Path(os.environ["XDG_RUNTIME_DIR"]) / f"portail-{digest}")
    candidates += [Path(tempfile.gettempdir()) / f"portail-{os.geteuid()}-{digest}", Path("/tmp") / f"portail-{os.geteuid()}-{digest}"]  # noqa: S108 - checked below
    for folder in candidates:
        if len(os.fsencode(folder)) + SOCKET_NAME_ROOM > SOCKET_PATH_LIMIT:
            continue
        try:
            if folder.parent == Path("/run") / SYSTEM_USER:
                _system_folder(folder.parent)
            private_folder(folder, account)
        except OSError:
            continue
        info = folder.lstat()
        owner = account.uid if account else os.geteuid()
        if stat.S_ISDIR(info.st_mode) and info.st_uid == owner and not info.st_mode & 0o077:
            return folder
    raise LaunchError(f"Le chemin de {data_dir} est trop long pour une socket : choisissez un DATA_DIR plus court.")


def software(source: Path, account: Account | None, wanted: tuple[str, ...]) -> Path:
    """`source` itself when the servers' user can reach it, else a copy of its parts `wanted` under /var/lib.

    The copy is made once per version of `source` (its name carries a digest of what is copied).
    """
    if account is None or (reachable(source, account) and all(_readable(source / part, account) for part in wanted)):
        return source
    digest = hashlib.sha256()
    for part in wanted:
        for item in sorted((source / part).rglob("*")) if (source / part).is_dir() else [source / part]:
            digest.update(f"{item.relative_to(source)} {item.stat().st_size if item.is_file() else 0}\n".encode())
    target = SYSTEM_ROOT / "software" / digest.hexdigest()[:16]
    if not target.exists():
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            _system_folder(SYSTEM_ROOT)
            _system_folder(target.parent)
            draft.mkdir()
            for part in wanted:
                if (source / part).is_dir():
                    shutil.copytree(source / part, draft / part, symlinks=True)
                else:
                    (draft / part).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source / part, draft / part)
            for folder, folders, files in os.walk(draft):
                for name in (".", *folders):
                    os.chmod(os.path.join(folder, name), 0o755)  # noqa: S103 - programs, for their user to run
                for name in files:
                    path = os.path.join(folder, name)
                    if not os.path.islink(path):
                        os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)
            with contextlib.suppress(OSError):  # another instance was faster
                draft.rename(target)
        except OSError as error:
            raise LaunchError(sentence_for(error, f"copier les programmes sous {target}")) from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return target


def _readable(path: Path, account: Account) -> bool:
    folder = path if path.is_dir() else path.parent
    return reachable(folder, account) and bool(path.stat().st_mode & stat.S_IROTH)
