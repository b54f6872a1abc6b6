"""Kills and faults at random, from a seed."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.product import Product

#: A quarter and more of AGORA's answers are wrong, half of those after it has acted.
FAULTS = {
    "latency_ms": 60,
    "jitter_ms": 120,
    "retry_after": 1,
    "hold_ms": 20_000,
    "rates": {
        "error": 0.06,
        "unavailable": 0.03,
        "throttled": 0.02,
        "no_answer": 0.03,
        "cut": 0.05,
        "late_error": 0.05,
        "invalid_json": 0.02,
        "truncated": 0.02,
        "html": 0.01,
    },
}
SILENCE = {"latency_ms": 50, "hold_ms": 20_000, "rates": {"no_answer": 1.0}}


class Monkey(threading.Thread):
    """Until told to stop: every second or so something dies or goes wrong."""

    def __init__(self, product: Product, seed: int) -> None:
        super().__init__(daemon=True)
        self.product = product
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.in_flight = 0  # messages being sent when a worker was killed
        self._stop_asked = threading.Event()

    def stop(self) -> None:
        """No more mischief; AGORA behaves again."""
        self._stop_asked.set()
        self.join()
        self._agora(None)

    def run(self) -> None:
        """Play; each of the rare acts comes at least once."""
        self._agora(FAULTS)
        acts = [self.kill_a_worker] * 8 + [
            self.freeze_a_worker,
            self.kill_the_scheduler,
            self.kill_redis,
            self.wipe_redis,
            self.restart_postgres,
            self.kill_postgres,
            self.silence_agora,
        ]
        often, script = acts[:8], acts[8:]
        self.random.shuffle(script)
        turn = 0
        while not self._stop_asked.is_set():
            turn += 1
            act = script.pop() if script and turn % 3 == 0 else self.random.choice(often)
            try:
                act()
            except (OSError, RedisError, psycopg.Error):
                self.done["missed"] += 1
            self._stop_asked.wait(self.random.uniform(1.5, 5.0))
        while script:  # what chance left out
            script.pop()()
            time.sleep(2)

    def kill_a_worker(self) -> None:
        """kill -9 in the middle of whatever it does; best when messages are on their way."""
        end = time.monotonic() + 8
        while not (sending := self._sending()) and time.monotonic() < end and not self._stop_asked.is_set():
            time.sleep(0.2)
        time.sleep(self.random.uniform(0, 0.6))
        name = self.random.choice(["worker-front", "worker-back"])
        if self.product.kill(name):
            self.done["kill -9 of a worker"] += 1
            if sending:
                self.done["… in mid-drain"] += 1
                self.in_flight += sending

    def freeze_a_worker(self) -> None:
        """SIGSTOP longer than a lease: it wakes as a zombie."""
        end = time.monotonic() + 15
        while (process := self.product.find("worker-back")) is None and time.monotonic() < end:
            time.sleep(0.5)  # it was killed just now
        if process is not None:
            process.send_signal(signal.SIGSTOP)
            self.done["worker frozen for 35 s"] += 1

            def wake() -> None:
                time.sleep(35)
                if process.is_running():
                    process.send_signal(signal.SIGCONT)

            threading.Thread(target=wake, daemon=True).start()

    def kill_the_scheduler(self) -> None:
        """kill -9."""
        self.done["kill -9 of the scheduler"] += self.product.kill("scheduler")

    def kill_redis(self) -> None:
        """kill -9, its file kept."""
        self.done["kill -9 of Redis"] += self.product.kill("redis")

    def wipe_redis(self) -> None:
        """Everything in it is lost."""
        Redis.from_url(self.product.environment["REDIS_URL"], socket_timeout=5).flushall()
        self.done["Redis wiped and killed"] += self.product.kill("redis")

    def restart_postgres(self) -> None:
        """A fast shutdown: all connections are cut."""
        self.done["PostgreSQL restarted"] += self.product.kill("postgres", signal.SIGINT)

    def kill_postgres(self) -> None:
        """kill -9: it has to recover."""
        self.done["kill -9 of PostgreSQL"] += self.product.kill("postgres")

    def silence_agora(self) -> None:
        """It takes every message and answers none, for a while."""
        self._agora(SILENCE)
        self.done["AGORA silent after having accepted, 12 s"] += 1
        self._stop_asked.wait(12)
        self._agora(FAULTS)

    def _agora(self, faults: dict[str, object] | None) -> None:
        """Change AGORA's behaviour, keeping count of what went wrong so far."""
        self.faults.update(self.product.sandbox("GET", "/_admin/faults")["counts"])
        if faults is None:
            self.product.sandbox("DELETE", "/_admin/faults")
        else:
            self.product.sandbox("PUT", "/_admin/faults", faults)

    def _sending(self) -> int:
        with psycopg.connect(self.product.environment["DATABASE_URL"], connect_timeout=2) as connection:
            connection.execute("SELECT set_config('role', 'portal_system', true)")
            row = connection.execute("SELECT count(*) FROM outbox_message WHERE state = 'sending'").fetchone()
            return int(row[0]) if row else 0
