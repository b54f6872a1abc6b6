"""Commands: the first administrator, and a way back in when nobody can sign in any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.accounts import labels, services
from app.core.roles import Role

if TYPE_CHECKING:
    from flask import Flask
    from flask_appbuilder import AppBuilder


def init_app(app: Flask, appbuilder: AppBuilder) -> None:
    """Register ``flask create-admin``. Flask-AppBuilder's own ``flask fab create-admin`` is refused by the security manager."""

    @app.cli.command("create-admin")
    @click.option("--identifiant", prompt="Identifiant")
    @click.option("--nom", "last_name", prompt="Nom d’usage")
    @click.option("--prenom", "first_name", prompt="Prénom")
    @click.option("--courriel", "email", prompt="Courriel")
    @click.password_option("--mot-de-passe", "password", prompt="Mot de passe", confirmation_prompt="Mot de passe, une seconde fois")
    def create_admin(identifiant: str, last_name: str, first_name: str, email: str, password: str) -> None:
        """Create an administrator of the Région."""
        from app.core.security_sync import sync_security

        sync_security(appbuilder)
        with app.test_request_context():  # messages are translated for a request
            try:
                services.create_account(
                    first_name=first_name,
                    last_name=last_name,
                    email=email,
                    roles=[Role.REGION_ADMIN],
                    identifiant=identifiant,
                    password=password,
                )
            except services.WeakPassword as error:
                raise click.ClickException(" ".join(labels.password_fault(fault) for fault in error.faults)) from error
            except services.IdentifiantTaken as error:
                raise click.ClickException("Cet identifiant est déjà pris.") from error
            except ValueError as error:
                raise click.ClickException(str(error)) from error
        click.echo(f"Compte administrateur créé : {identifiant}")

    @app.cli.command("reset-second-factor")
    @click.option("--identifiant", prompt="Identifiant")
    def reset_second_factor(identifiant: str) -> None:
        """Take away the second factor of an account whose holder lost the telephone, when no administrator can."""
        with app.test_request_context():  # the mail is translated for a request
            try:
                services.reset_second_factor_of(identifiant)
            except services.AccountNotFound as error:
                raise click.ClickException("Aucun compte n’a cet identifiant.") from error
            except services.AccountRefused as error:
                raise click.ClickException("Ce compte n’a pas de second facteur.") from error
        click.echo(f"Second facteur retiré : {identifiant}")
