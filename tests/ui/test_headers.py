"""Security headers, origin check, static files (bars B7.1–B7.4, finding F10)."""

from __future__ import annotations

import re

import pytest
from flask import Flask

PAGES = ["/accessibilite", "/nulle-part", "/fail", "/jeton", "/robots.txt", "/ui", "/stop/403", "/stop/429"]


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_is_hardened(ui_app: Flask, path: str) -> None:
    answer = ui_app.test_client().get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "data:" not in policy.split("script-src")[1].split(";")[0]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert "Strict-Transport-Security" not in answer.headers
    assert "Server" not in answer.headers


def test_hsts_over_https_only(ui_app: Flask) -> None:
    answer = ui_app.test_client().get("/accessibilite", base_url="https://portail.exemple.fr")
    assert answer.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"


def test_nonce_is_new_in_a_thousand_answers(ui_app: Flask) -> None:
    client = ui_app.test_client()
    nonces = set()
    for _ in range(1000):
        policy = client.get("/robots.txt").headers["Content-Security-Policy"]
        nonces.add(re.search(r"script-src 'nonce-([^']+)'", policy)[1])  # type: ignore[index]
    assert len(nonces) == 1000


def test_page_and_header_share_the_nonce_and_nothing_is_inline(ui_app: Flask) -> None:
    answer = ui_app.test_client().get("/ui")
    page = answer.text
    nonce = re.search(r"'nonce-([^']+)'", answer.headers["Content-Security-Policy"])[1]  # type: ignore[index]
    scripts = re.findall(r"<script[^>]*>", page)
    assert scripts
    assert all(f'nonce="{nonce}"' in script and "src=" in script for script in scripts)
    assert "<style" not in page
    assert not re.search(r"<[^>]+\s(style|on\w+)=", page)
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_static_files_are_kept_for_good_and_compressed(ui_app: Flask) -> None:
    client = ui_app.test_client()
    address = re.search(r'href="(/assets/[0-9a-f]{12}/css/portal\.css)"', client.get("/ui").text)[1]  # type: ignore[index]
    answer = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert client.get(address, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert "immutable" not in client.get("/assets/000000000000/css/portal.css").headers["Cache-Control"]


@pytest.mark.parametrize("name", ["../../../config.py", "css/../../../../config.py", "%2e%2e/templates/portal/base.html", "absent.css", "css"])
def test_static_files_stay_in_their_folder(ui_app: Flask, name: str) -> None:
    assert ui_app.test_client().get(f"/assets/0/{name}").status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://ailleurs.exemple"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost.ailleurs.exemple"},
    ],
)
def test_other_sites_may_not_post(ui_app: Flask, headers: dict[str, str]) -> None:
    client = ui_app.test_client()
    token = client.get("/jeton").json["token"]  # type: ignore[index]
    assert client.post("/echo", data={"csrf_token": token, "a": "1"}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "https://portail.exemple.fr"}]
)
def test_our_own_pages_may_post(ui_app: Flask, headers: dict[str, str]) -> None:
    client = ui_app.test_client()
    token = client.get("/jeton").json["token"]  # type: ignore[index]
    answer = client.post("/echo", data={"csrf_token": token, "a": "1"}, headers=headers)
    assert answer.status_code == 200
    assert answer.json["a"] == "1"  # type: ignore[index]


def test_the_token_is_not_for_other_sites(ui_app: Flask) -> None:
    assert ui_app.test_client().get("/jeton", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_strict_referrer_check_over_https_works_with_our_policy(ui_app: Flask) -> None:
    client = ui_app.test_client()
    base = "https://portail.exemple.fr"
    token = client.get("/jeton", base_url=base).json["token"]  # type: ignore[index]
    headers = {"Referer": f"{base}/ui", "Origin": base}
    assert client.post("/echo", data={"csrf_token": token}, base_url=base, headers=headers).status_code == 200


def test_violation_reports_are_logged_without_query(ui_app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    body = {"csp-report": {"document-uri": "https://p/x?nom=SION", "effective-directive": "style-src", "blocked-uri": "inline"}}
    answer = ui_app.test_client().post("/csp-report", json=body, headers={"Content-Type": "application/csp-report"})
    assert answer.status_code == 204
    assert any(getattr(record, "violation", {}).get("document-uri") == "https://p/x" for record in caplog.records)
    assert ui_app.test_client().post("/csp-report", data=b"x" * 9000).status_code == 413
    assert ui_app.test_client().post("/csp-report", data=b"{").status_code == 400
