"""gunicorn, as the portal runs it: ``python run.py web``.

Synchronous processes: Flask-AppBuilder's views are not safe for threads, and threads would halve the throughput anyway.
To serve more, raise WEB_WORKERS or start more of them on other machines.
"""

import gc
import os
import select
import shutil
import socket
import tempfile
import time
from pathlib import Path

from gunicorn.workers.sync import SyncWorker


def metrics_folder(data_dir):
    """A folder of this start's own; those of web servers that were killed are removed on the way."""
    if not data_dir or not os.access(data_dir, os.W_OK):
        return tempfile.mkdtemp(prefix="portail-metrics-")
    base = Path(data_dir, "metrics")
    base.mkdir(mode=0o700, exist_ok=True)
    for old in base.iterdir():
        try:
            os.kill(int(old.name), 0)
        except (ValueError, ProcessLookupError):
            shutil.rmtree(old, ignore_errors=True)
        except PermissionError:
            continue
    folder = base / str(os.getpid())
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return str(folder)


gc.disable()  # until the application is loaded: a fifth of that time is saved
_host, _port = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8080"
bind = f"[{_host}]:{_port}" if ":" in _host else f"{_host}:{_port}"
workers = int(os.environ.get("WEB_WORKERS") or 2)
# With many web processes the application is imported once and its memory shared. With two, the copy that gunicorn itself would keep
# for nothing costs about as much as is shared: half of it stops being so with the first thousand pages.
preload_app = workers > 2
_serving, _serves = os.pipe()
# Seconds that a process waits for the first byte of a request: it is there already where the system passes a connection with it (see ``when_ready``).
_PATIENCE = 0.2 if hasattr(socket, "TCP_DEFER_ACCEPT") else 2


class Worker(SyncWorker):
    """A synchronous process, which leaves the processor to the first one until that one serves, so that pages come as soon as they can.

    When nobody asks it for anything, it gives its connections to the database back.
    """

    idle = False

    def load_wsgi(self):
        limit = time.monotonic() + 20
        while self.age > 1 and self.alive and time.monotonic() < limit and not select.select([_serving], [], [], 0.1)[0]:
            self.notify()
        super().load_wsgi()

    def handle(self, listener, client, addr):
        """Nothing asked on a connection that the system held back all that time: it is closed, and whoever opened it opens another."""
        if select.select([client], [], [], _PATIENCE)[0]:
            super().handle(listener, client, addr)
        else:
            client.close()

    def wait(self, timeout):
        from app.core.extensions import IDLE, give_connections_back

        ready = super().wait(min(timeout, IDLE))
        if ready:
            self.idle = False
        elif not self.idle:
            give_connections_back(self.wsgi)
            self.idle = True
        return ready


worker_class = Worker
timeout = 60
graceful_timeout = 20
keepalive = 2
max_requests = 20_000  # a new process takes a second to load, during which the others serve
max_requests_jitter = 5000
proc_name = "portail-web"
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a heartbeat file
accesslog = None  # one structured line per request is written by app.core.logs
errorlog = "-"
loglevel = "warning"
limit_request_line = 8190
limit_request_fields = 100
control_socket_disable = True
forwarded_allow_ips = ""  # proxies are trusted by TRUSTED_PROXIES, in the application

# The web processes add up their metrics through files. Known before the application is imported, or each would count alone.
_metrics = metrics_folder(os.environ.get("DATA_DIR"))
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics


def on_starting(_server):
    """No "Server: gunicorn" in the answers."""
    from gunicorn.http.wsgi import Response

    usual = Response.default_headers
    Response.default_headers = lambda self: [line for line in usual(self) if not line.startswith("Server:")]


def when_ready(server):
    """What the master has loaded stays shared: the collector does not touch it in the web processes.

    A connection on which nothing was asked yet (browsers open some in advance) waits in the system, not in one of these processes.
    """
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        for listener in server.LISTENERS:
            if listener.sock.family in (socket.AF_INET, socket.AF_INET6):
                listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, timeout)
    gc.freeze()
    gc.enable()


def post_fork(_server, worker):
    """No connection is shared between processes, should the application have opened one."""
    import logging

    from app.core.logs import MaskingFilter

    # gunicorn names the address of a request that it could not finish.
    for handler in logging.getLogger("gunicorn.error").handlers:
        handler.addFilter(MaskingFilter())
    gc.disable()  # as above, until the application is loaded
    if preload_app:
        from app.core.extensions import db

        with worker.app.wsgi().app_context():
            db.engine.dispose(close=False)


def post_worker_init(worker):
    """Everything is loaded, and the collector need not look at it again. A long answer says that it goes on."""
    worker.wsgi.extensions["sign_of_life"] = worker.notify
    from app.core.health import expected_heads

    expected_heads()
    gc.freeze()
    gc.enable()
    if not select.select([_serving], [], [], 0)[0]:
        os.write(_serves, b".")  # stays there, for all that follow


def child_exit(_server, worker):
    """Forgets the live gauges of a web process that ended."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(_server):
    """Leaves nothing behind."""
    shutil.rmtree(_metrics, ignore_errors=True)
