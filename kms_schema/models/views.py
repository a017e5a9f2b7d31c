"""The times of the last refreshes of materialized views (PostgreSQL; SQLite's views are never stale)."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from kms_schema.models.base import Base, CreatedAt


class KeyViewRefresh(Base):
    """The time of the last refresh of a materialized view.

    A column of the view would make each concurrent refresh rewrite every row.
    """

    __tablename__ = "key_view_refreshes"
    __table_args__: Any = ({"info": {"only_on": "postgresql"}},)

    view_name: Mapped[str] = mapped_column(sa.String(63), primary_key=True)
    refreshed_at: Mapped[CreatedAt]
