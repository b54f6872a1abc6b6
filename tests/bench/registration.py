"""From "Passer à l'étape suivante" to the identity on the page, as a browser waits for it, while AGORA takes a tenth of a second to answer."""

from __future__ import annotations

import html
import os
import random
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.report import Report
from tests.chaos.product import Product

if TYPE_CHECKING:
    import httpx

LATENCY = 0.1  # seconds
PEOPLE = int(os.environ.get("BENCH_PEOPLE") or 60)
#: What the page itself does (``_identity.html``): asks when it is there, then at this pace.
EVERY = re.compile(r"load, every (\d+)ms")
_PASSWORD = "Portail-demo-2026"


def run(report: Report) -> None:
    """All measures of this module."""
    parent = "/var/lib" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="portail-bench-", dir=parent))
    product = Product(folder)
    try:
        product.start()
        product.sandbox("PUT", "/_admin/faults", {"latency_ms": LATENCY * 1000, "scopes": ["identity"]})
        times = _registrations(product, random.Random(7))[3:]
    finally:
        product.stop()
        shutil.rmtree(folder, ignore_errors=True)
    ordered = sorted(times)
    reference = f"from the form sent to the identity shown, {len(times)} people, AGORA answers in {LATENCY * 1000:.0f} ms"
    for name, value in (("p50", statistics.median(ordered)), ("p95", ordered[int(len(ordered) * 0.95)])):
        report.add(f"registration_{name}", value * 1000, "ms", reference)
        report.add(f"registration_{name}_against_partner", value / LATENCY, "times", "the partner's own latency", most=1.5 if name == "p50" else None)


def _registrations(product: Product, chance: random.Random) -> list[float]:
    import httpx

    found: list[float] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{product.port}", timeout=20, trust_env=False) as client:
        _sign_in(client)
        address = _registration_page(client)
        for number in range(PEOPLE):
            nir, key = _number(chance)
            page = client.get(f"{address}verification").text
            data = _hidden(page) | {"nir": nir, "key": key, "birth_name": f"ESSAI{'ABCDEFGHIJ'[number % 10]}"}
            begin = time.perf_counter()
            shown = client.post(f"{address}verification", data=data, headers={"Origin": str(client.base_url).rstrip("/")}, follow_redirects=True)
            text = shown.text
            asked = 0
            while "confirmée par AGORA" not in text:
                if "identification/identite" not in text:
                    raise RuntimeError(f"no identity: {shown.status_code} {re.findall('alert-title[^<]*<', text)}")
                time.sleep(_pace(text, asked))
                asked += 1
                answer = client.get(f"{address}identification/identite", headers={"HX-Request": "true"})
                text = answer.text if answer.status_code == 200 else text
            found.append(time.perf_counter() - begin)
    return found


def _sign_in(client: httpx.Client) -> None:
    page = client.get("/connexion").text
    data = _hidden(page) | {"username": "principal", "password": _PASSWORD}
    client.post("/connexion", data=data, headers={"Origin": str(client.base_url).rstrip("/")}, follow_redirects=True)


def _registration_page(client: httpx.Client) -> str:
    """The registration wizard of an action whose programme asks for a NIR."""
    for action in dict.fromkeys(re.findall(r'/actions-de-formation/(\d+)"', client.get("/actions-de-formation/?statut=EC").text)):
        address = f"/stagiaires/action/{action}/enregistrement/"
        if 'name="nir"' in client.get(f"{address}verification").text:
            return address
    raise RuntimeError("no action takes trainees by NIR")


def _pace(page: str, asked: int) -> float:
    """Seconds until the page asks again."""
    found = EVERY.search(page)
    return float(found.group(1)) / 1000 if found and asked else 0.0


def _hidden(page: str) -> dict[str, str]:
    """The hidden fields of the page's form."""
    fields = (dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", page) if 'type="hidden"' in tag)
    return {html.unescape(field["name"]): html.unescape(field.get("value", "")) for field in fields if "name" in field}


def _number(chance: random.Random) -> tuple[str, str]:
    from app.core.nir.number import compute_key

    number = f"{chance.choice('12')}{chance.randrange(60, 100):02d}{chance.randrange(1, 13):02d}{chance.randrange(1, 20):02d}{chance.randrange(1, 300):03d}{chance.randrange(1, 999):03d}"
    return number, compute_key(number)


__all__ = ["run"]
