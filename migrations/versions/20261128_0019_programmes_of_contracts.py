"""The programmes of an organisation's contracts, found along an index.

Revision: 0019, after 0018
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_contract_org_programme", "contract", ["organisation_id", "programme_id"])


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_contract_org_programme", "contract")
