"""The public names of the package, by the module that a program imports them from.

Sphinx makes the reference of them. `tests/docs/test_site.py` compares them with each `__all__`, and with what the
pages import.
"""

import ast
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

PUBLIC: Mapping[str, tuple[str, ...]] = {
    "kms_schema": (),
    "kms_schema.engine": ("configure", "create_engine"),
    "kms_schema.models": (),
    "kms_schema.models.autogenerate": ("hooks_for_host",),
    "kms_schema.vocabulary": (),
    "kms_schema.keyring": (),
    "kms_schema.keyring.handover.receiver_keys": ("HandoverKey", "HandoverPublicKey"),
    "kms_schema.keyring.handover.handover_files": ("Handover", "HandoverHeader", "open_handover"),
    "kms_schema.keyring.formats.bound_data": ("bound_data",),
    "kms_schema.keyring.formats.messages": ("message_cipher",),
    "kms_schema.keyring.formats.prefix": ("read_message_prefix",),
    "kms_schema.keyring.formats.streams": ("decrypt_stream", "encrypt_stream", "read_stream_tag"),
    "kms_schema.hsm": (),
    "kms_schema.hsm.configurations": (
        *("ListedHsm", "add_hsm", "find_hsm", "listed_hsms", "record_health", "set_active"),
    ),
    "kms_schema.hsm.checking": ("HsmCheck", "check_hsm"),
    "kms_schema.hsm.handles": ("Handle",),
    "kms_schema.hsm.hsms": ("Hsms",),
    "kms_schema.crypto": (),
    "kms_schema.pkcs11": (),
    "kms_schema.roots": (),
    "kms_schema.testing.root_conformance": ("NonconformingRootError", "cases", "check_root"),
    "kms_schema.rotations": (),
    "kms_schema.monitoring": (),
    "kms_schema.monitoring.exposition": ("SnapshotCollector", "text_of"),
    "kms_schema.monitoring.conditions": ("CONDITIONS", "Condition", "Judged", "Limits", "Status", "judge"),
    "kms_schema.monitoring.alerting.alertmanager": ("alertmanager_file",),
    "kms_schema.monitoring.alerting.dashboard": ("dashboard",),
    "kms_schema.monitoring.alerting.rule_file": ("rule_file",),
    "kms_schema.monitoring.alerting.thresholds": ("Thresholds",),
    "kms_schema.audit": (),
    "kms_schema.audit.listing": ("ListedEntry", "listed_entries"),
    "kms_schema.inventory": (),
    "kms_schema.validator.rules": (),
    "kms_schema.validator": (),
    "kms_schema.validator.formats": (),
    "kms_schema.validator.waivers": (),
    "kms_schema.validator.host.comparison": ("snapshot_of", "validate_host"),
    "kms_schema.validator.host.scope": ("Scope",),
    "kms_schema.validator.host.snapshots": ("Snapshot", "SnapshotError", "added", "read_snapshots", "written"),
    "kms_schema.validator.protections": ("protections",),
    "kms_schema.validator.probe": (),
    "kms_schema.preflight": (),
    "kms_schema.reports": (),
    "kms_schema.reports.standards": (),
    "kms_schema.migrate.environment": ("migrate", "write_sql"),
    "kms_schema.migrate.options": ("MigrationOptions",),
    "kms_schema.migrate.faults": ("MigrationError",),
    "kms_schema.roles.applying": ("apply",),
    "kms_schema.roles.statements": ("script",),
    "kms_schema.hardening.applying": ("apply",),
    "kms_schema.pytest_plugin": (
        "assert_schema_matches", "kms_schema_connection", "kms_schema_matches", "kms_schema_report",
    ),
}  # fmt: skip
"""The modules, in the order of the pages. No names: those of its `__all__`, else all that it defines."""

RESULTS = (
    "kms_schema.audit.formats.gaps.Gap",
    "kms_schema.audit.formats.notes.Signature",
    "kms_schema.audit.formats.seals.Seal",
    "kms_schema.audit.formats.seals.Tombstone",
    "kms_schema.audit.verification.worker_pool.WorkerPool",
    "kms_schema.crypto.dependents.Dependents",
    "kms_schema.crypto.destroying.Destroyable",
    "kms_schema.crypto.rewrapping.Left",
    "kms_schema.crypto.rewrapping.Outcome",
    "kms_schema.keyring.formats.messages.MessageCipher",
    "kms_schema.models.autogenerate.Hooks",
    "kms_schema.preflight.plan.Plan",
    "kms_schema.preflight.plan.PlannedRevision",
    "kms_schema.migrate.planned.PlannedStatement",
    "kms_schema.preflight.verdict.Disk",
    "kms_schema.preflight.verdict.Held",
    "kms_schema.preflight.verdict.Work",
    "kms_schema.roles.applying.Applied",
    "kms_schema.validator.protections.Protection",
    "kms_schema.validator.protections.Protections",
)
"""Types that public functions return or take and that no program imports: one page describes them."""

INTERNAL_TYPES = frozenset(
    {
        *(f"kms_schema.audit.storage.entries.{name}" for name in ("Entries", "Retention")),
        *(f"kms_schema.audit.storage.seals.{name}" for name in ("Seals", "Tombstones")),
        "kms_schema.audit.storage.session.Session",
        "kms_schema.audit.storage.tree.Tree",
        *(f"kms_schema.audit.storage.transactions.{name}" for name in ("ExportedSnapshot", "Transaction")),
        "kms_schema.audit.verification.worker_pool.Worker",
        "kms_schema.crypto.bindings.StoredVersion",
        "kms_schema.keyring.formats.prefix.Algorithm",
        "kms_schema.keyring.formats.streams.Source",
        "kms_schema.keyring.parts.RingParts",
        "kms_schema.keyring.columns.places.Place",
        "kms_schema.keyring.use.opener.Opener",
        "kms_schema.keyring.database.storage.Storage",
        "kms_schema.monitoring.names.Kind",
        "kms_schema.rotations.statements.Statements",
        "kms_schema.sql.declarations.Declaration",
        "kms_schema.sql.declarations.Lock",
        "kms_schema.validator.probe.session.Session",
    }
)
"""Types in public signatures that are for other modules of the package; so is every type whose name begins with `_`."""

INTERNAL = frozenset({"kms_schema.validator.catalog.attributes"})
"""Modules with an `__all__` that is for other modules of the package."""


def names_of(module: str) -> tuple[str, ...]:
    """Return the public names of a module.

    names_of("kms_schema.preflight") == ("Preflight", "preflight")
    """
    loaded = import_module(module)
    return PUBLIC[module] or tuple(getattr(loaded, "__all__", ())) or _defined(loaded)


def documented_here(module: str) -> tuple[str, ...]:
    """Return the names whose entry is on the page of a module: those that no earlier page has."""
    earlier: set[int] = set()
    for each in PUBLIC:
        if each == module:
            break
        earlier |= {id(getattr(import_module(each), name)) for name in names_of(each)}
    loaded = import_module(module)
    return tuple(name for name in names_of(module) if id(getattr(loaded, name)) not in earlier)


def _defined(module: ModuleType) -> tuple[str, ...]:
    """Return the names without an underscore that a module assigns or defines, in the order of its text."""
    with open(str(module.__file__), encoding="utf-8") as file:  # noqa: PTH123 — one line
        body = ast.parse(file.read()).body
    names: list[str] = []
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return tuple(name for name in names if not name.startswith("_"))
