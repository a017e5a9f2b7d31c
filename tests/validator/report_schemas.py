"""The schemas of JUnit and SARIF reports."""

import json
from functools import cache
from typing import Any

from lxml import etree

from support.engines.programs import REPOSITORY

SCHEMAS = REPOSITORY / "tests" / "validator" / "schemas"


@cache
def junit_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMAS / "junit-10.xsd"))


@cache
def sarif_validator() -> Any:
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    import jsonschema  # noqa: PLC0415  (with its formats it takes more than a second, in each process)

    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())
