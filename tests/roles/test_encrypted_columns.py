"""An application declares encrypted columns, and only an administrator takes one away."""

import json

import psycopg
import pytest

from kms_schema.roles.definition import Role
from tests.roles.granted import Granted
from tests.roles.material import live_key

pytestmark = [pytest.mark.only_on("postgresql"), pytest.mark.versions("oldest and newest")]

CHANGE = "UPDATE key_masters SET encrypted_columns = %s WHERE key_id = %s"
IBAN, BIC = ({"schema": "public", "table": "invoices", "column": name} for name in ("iban", "bic"))


def test_an_application_adds_columns_and_takes_none_away(granted: Granted) -> None:
    name = live_key(granted.superuser)
    with granted.session(Role.APP) as app:
        for more in ([IBAN], [BIC, IBAN]):
            app.execute(CHANGE, (json.dumps(more), name))
        for less in (None, [], [IBAN], [IBAN, {**BIC, "column": "other"}]):
            with pytest.raises(psycopg.errors.RestrictViolation, match="may not be taken away or changed"):
                app.execute(CHANGE, (json.dumps(less) if less is not None else None, name))
    with granted.session(Role.ADMIN) as admin:
        assert admin.execute(CHANGE, (json.dumps([IBAN]), name)).rowcount == 1
