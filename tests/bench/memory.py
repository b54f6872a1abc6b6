"""Resident memory of the whole product at rest: launcher, PostgreSQL, Redis, web, workers, scheduler, sandbox."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import psutil

from tests.bench.report import Report
from tests.chaos.product import Product

REST = 20.0  # seconds after it says ready


def run(report: Report) -> None:
    """All measures of this module."""
    parent = "/var/lib" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="portail-bench-", dir=parent))
    product = Product(folder)
    try:
        report.add("first_start", product.start(), "s", "from an empty folder to ready, requirements installed")
        for page in ("/", "/", "/readyz"):
            _visit(product, page)
        time.sleep(REST)
        parts: dict[str, float] = {}
        whole = 0.0
        counted = 0.0
        for process in product.processes():
            try:
                memory = process.memory_full_info()
                name = _name(process)
            except psutil.Error:
                continue
            parts[name] = parts.get(name, 0.0) + memory.pss / 1e6
            whole += memory.pss / 1e6
            counted += memory.rss / 1e6
        for name, value in sorted(parts.items(), key=lambda item: -item[1]):
            report.add(f"memory_{name}", value, "MB", "proportional resident memory (shared pages counted once)")
        report.add("memory_whole", whole, "MB", "proportional resident memory of all processes, at rest", most=800)
        report.add("memory_whole_rss", counted, "MB", "sum of resident sizes: shared pages counted in each process", most=800)
        product.stop()
        report.add("second_start", product.start(), "s", "data kept", most=10)
    finally:
        product.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _visit(product: Product, page: str) -> None:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{product.port}{page}", timeout=20) as answer:
        answer.read()


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    line = " ".join(words)
    for mark, name in (
        ("worker front", "worker_front"),
        ("worker back", "worker_back"),
        ("run.py scheduler", "scheduler"),
        ("gunicorn", "web"),
        ("agora.sandbox", "sandbox"),
        ("redis", "redis"),
        ("postgres", "postgresql"),
    ):
        if mark in line:
            return name
    return "launcher"
