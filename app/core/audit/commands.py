"""``flask audit``: seal now, verify everything."""

from __future__ import annotations

import click
from flask.cli import AppGroup

audit = AppGroup("audit", help="The journal: sealing and verification.")

_SHOWN = 1_000


@audit.command("seal")
def seal_command() -> None:
    """Seal the entries that wait."""
    from app.core.audit.sealing import AuditKeyError, seal_entries

    try:
        click.echo(f"{seal_entries()} entries sealed.")
    except AuditKeyError as error:
        raise click.ClickException(str(error)) from None


@audit.command("verify")
@click.option("--anchor", metavar="SEAL:DIGEST", help="A seal noted outside the database (logs), which the chain must hold.")
def verify_command(anchor: str | None) -> None:
    """Recompute the whole journal; say which entry was altered, removed or inserted. Exit status 1 if any."""
    from app.core.audit.sealing import AuditKeyError, Verification, verify

    expected: tuple[int, str] | None = None
    if anchor:
        number, _, digest = anchor.partition(":")
        if not (number.isascii() and number.isdigit()) or not digest:
            raise click.BadParameter("write it as SEAL:DIGEST", param_hint="--anchor")
        expected = (int(number), digest.lower())
    totals, found = Verification(), 0
    try:
        for finding in verify(totals, anchor=expected):
            found += 1
            if found <= _SHOWN:
                click.echo(str(finding), err=True)
    except AuditKeyError as error:
        raise click.ClickException(str(error)) from None
    if found > _SHOWN:
        click.echo(f"… and {found - _SHOWN} more", err=True)
    click.echo(f"{totals.seals} seals, {totals.sealed} sealed entries, {totals.pending} waiting, {found} findings.")
    if totals.head:
        click.echo(f"head {totals.head}")
    if found:
        raise SystemExit(1)
