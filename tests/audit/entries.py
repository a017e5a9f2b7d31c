"""Any entry, as Hypothesis makes one."""

from hypothesis import strategies as st

from kms_schema.audit.formats.encoding import (
    COLUMNS,
    Kind,
)
from kms_schema.audit.formats.texts import text_of_microseconds

ANY_ENTRY = st.fixed_dictionaries(
    {
        column: {
            Kind.UUID: st.none() | st.uuids().map(str),
            Kind.INT4: st.none() | st.integers(-(2**31), 2**31 - 1),
            Kind.INT8: st.none() | st.integers(-(2**63), 2**63 - 1),
            Kind.TEXT: st.none() | st.text(),
            Kind.TIME: st.none() | st.integers(-(2**63), 2**63 - 1).map(lambda n: text_of_microseconds(n) or n),
        }[kind]
        for column, kind in COLUMNS.items()
    }
)
