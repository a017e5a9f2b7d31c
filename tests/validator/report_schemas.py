"""The schemas of JUnit and SARIF reports."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from lxml import etree

from kms_schema.cli.on_use import on_use
from support.engines.programs import REPOSITORY

if TYPE_CHECKING:
    import jsonschema
else:
    jsonschema = on_use("jsonschema")  # with its formats it takes more than a second, in each process

SCHEMAS = REPOSITORY / "tests" / "validator" / "schemas"


@cache
def junit_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMAS / "junit-10.xsd"))


@cache
def sarif_validator() -> Any:
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())
