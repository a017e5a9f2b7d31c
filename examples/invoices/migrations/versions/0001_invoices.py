"""Create the table of invoices, and let the application's login use it."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it. The constraint refuses plaintext: each ciphertext begins with this byte."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    first = r"'\x01'::bytea" if postgresql else "x'01'"
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("iban", sa.LargeBinary, nullable=False),
        sa.CheckConstraint(f"substr(iban, 1, 1) = {first} AND length(iban) >= 33", name="ck_invoices_iban_encrypted"),
    )
    if postgresql:
        op.execute("GRANT SELECT, INSERT, UPDATE ON TABLE invoices TO invoices")
        op.execute("GRANT SELECT (iban) ON TABLE invoices TO keeper")  # revokes a key once nothing here needs it


def downgrade() -> None:
    """Drop it."""
    op.drop_table("invoices")
