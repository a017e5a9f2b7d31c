"""The claims that a computation decides, where no single query can."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from kms_schema.audit.proofs.prover import CannotProveError
from kms_schema.audit.retention.expiring import expired
from kms_schema.audit.verification.result import VerificationResult
from kms_schema.audit.verification.verify_entries import EntryVerification
from kms_schema.inventory.strengths import rate
from kms_schema.reports.outcomes import LISTED, NOT_PROVABLE, State, Table
from kms_schema.reports.reading import Reading
from kms_schema.validator.diff.findings import Finding
from kms_schema.validator.rules import RULES, Scope, Severity

LEAST = 112
"""The bits of security below which SP 800-131A Rev. 2 disallows an algorithm for new protection."""
YEAR, SEVEN_YEARS = 365, 2555
REMOVED_TITLE = "Removed entries, with the hash of their archive"


class Computed(NamedTuple):
    """The result of a computation."""

    state: State
    violations: Table | None = None
    tables: tuple[Table, ...] = ()
    reason: str = ""
    proof: str = NOT_PROVABLE


def _decided(violations: Table, tables: Iterable[Table] = (), reason: str = "") -> Computed:
    state = State.NOT_SATISFIED if violations.count else State.SATISFIED
    return Computed(state, violations, tuple(tables), reason)


def strength(reading: Reading) -> Computed:
    """Decide from the algorithms and sizes of all keys in use."""
    columns, rows = reading.rows("keys_in_use_by_algorithm")
    rated = [(*row, rate(row[0], row[1]).strength_bits) for row in rows]
    query = reading.scope.render("keys_in_use_by_algorithm")
    columns = [*columns, "bits_of_security"]
    weak = [row for row in rated if row[-1] is not None and row[-1] < LEAST]
    unknown = [row for row in rated if row[-1] is None]
    found = _decided(Table.of(f"Algorithms with less than {LEAST} bits", query, columns, weak))
    if unknown and found.state is State.SATISFIED:
        reason = f"the strength of {len(unknown)} of the algorithms is not known: see the rows without bits"
        return found._replace(state=State.FOR_REVIEW, reason=reason)
    return found


def wrapping(reading: Reading) -> Computed:
    """Decide from the algorithms and sizes of keys and wrappers."""
    columns, rows = reading.rows("wrappers")
    problems = []
    for algorithm, size, wrapped_by, wrapper, wrapper_size, count in rows:
        if wrapped_by == "nothing":
            problems.append((algorithm, size, wrapped_by, wrapper, wrapper_size, count))
        elif wrapped_by == "key":
            bits, above = rate(algorithm, size).strength_bits, rate(wrapper, wrapper_size).strength_bits
            if above is None or above < min(bits or size, 256):
                problems.append((algorithm, size, wrapped_by, wrapper, wrapper_size, count))
    query = reading.scope.render("wrappers")
    return _decided(Table.of("Versions with a weaker wrapper, an unknown one, or none", query, columns, problems))


_FINDINGS = "kms-schema validate --format json"


def _findings(reading: Reading, title: str, wanted: Callable[[Finding], bool]) -> Computed:
    columns = ("code", "severity", "object", "finding")
    rows = [_row(each) for each in reading.validation.worst_first if wanted(each)]
    waived = [
        (*_row(each.finding), each.reason, each.expires.isoformat())
        for each in reading.validation.waived
        if wanted(each.finding)
    ]
    found = _decided(Table.of(title, _FINDINGS, columns, rows))
    if not waived:
        return found
    names = (*columns, "reason", "expires")
    tables = (Table.of(f"{title}, and a waiver accepts", f"{_FINDINGS} --waivers FILE", names, waived),)
    if found.state is not State.SATISFIED:
        return found._replace(tables=tables)
    reason = "findings are waived, each with a reason and a last day: a person decides"
    return found._replace(state=State.FOR_REVIEW, tables=tables, reason=reason)


def _row(each: Finding) -> tuple[str, str, str, str]:
    return each.code, each.severity.value, each.object, each.title


def no_drift(reading: Reading) -> Computed:
    """Decide from the errors of the validator about objects."""
    return _findings(
        reading,
        "Drift that the validator finds",
        lambda each: each.severity is Severity.ERROR and RULES[each.code].scope is Scope.CATALOG,
    )


def privileges(reading: Reading) -> Computed:
    """Decide from the errors and warnings of the validator about roles and settings."""
    found, open_ones = (
        _findings(
            reading,
            title,
            lambda each, info=info: (
                (each.severity is Severity.INFO) is info  # type: ignore[misc]
                and RULES[each.code].scope is Scope.POSTURE
            ),
        )
        for title, info in (
            ("Ways around the protections that the validator finds", False),
            ("Ways that stay open, such as superusers", True),
        )
    )
    shown = () if open_ones.violations is None or not open_ones.violations.count else (open_ones.violations,)
    found = found._replace(tables=(*found.tables, *shown, *open_ones.tables))
    if found.state is State.SATISFIED and (shown or open_ones.tables):
        reason = "the validator lists ways that stay open, such as superusers: a person decides"
        return found._replace(state=State.FOR_REVIEW, reason=reason)
    return found


def entries_unchanged(reading: Reading) -> Computed:
    """Hash every entry of the period, and compare it with its leaf."""
    snapshot, result = reading.snapshot, VerificationResult()
    spans = [(each["first_sequence"], each["last_sequence"]) for each in reading.summary]
    spans += [row for row in reading.rows("sealed_sequences")[1] if row[0] is not None]
    if not spans:
        return Computed(State.NOT_APPLICABLE, reason="the period has no entries")
    first, last = min(each[0] for each in spans), max(each[1] for each in spans)
    seal = reading.newest
    total = sum(each["entries"] for each in reading.summary)
    verification = EntryVerification(
        snapshot, result, None, seal, lambda _, done: reading.progress("hashed", done, max(done, total))
    )
    # Entries that are gone from the ends of the period are between its entries and those of other periods.
    before, after = reading.neighbour(first, "before"), reading.neighbour(last, "after")
    verification.verify(max(before or 0, verification.after), last if after is None else after - 1)
    query = f"kms-schema audit verify; sequences {first} to {last}"
    # A user who changes an entry can change its leaf, but not the signed root over the leaves.
    problems = [(each.sequence, each.message) for each in (*result.faults, *reading.seals.faults)]
    more = result.more_faults + reading.seals.more_faults
    problems += [(None, f"{more} more")] if more else []
    counts = [(result.entries, result.removed, result.unsealed)]
    figures = Table.of("Entries whose hash was recomputed", query, ("unchanged", "removed", "unsealed"), counts)
    found = _decided(Table.of("Entries that differ from what was sealed", query, ("sequence", "problem"), problems))
    sealed = reading.seal
    if sealed is not None and not problems:
        before_period = reading.rows("seal_before")[1][0][0]
        archives = [row[0] for row in reading.rows("archives")[1]]
        # Without --since the export starts at the oldest entry, after the removed ones.
        since = "" if before_period is None or archives else f" --since {before_period}"
        command = f"kms-schema audit export FILE{since} --until {sealed.number}"
        proof = f"provable offline with an archive: {command}"
        if archives:
            proof += f"; the archives of removed entries have the SHA-256 {', '.join(archives)}"
        return found._replace(tables=(figures,), proof=proof)
    return found._replace(tables=(figures,))


def sealed(reading: Reading) -> Computed:
    """Decide from the unsealed entries, the unsigned seals, and the verification of all seals."""
    found = reading.table("Rows against the claim", "not_sealed")
    forged = tuple((f"seal {each.seal}", each.message) for each in reading.seals.faults if each.seal is not None)
    if not (forged or found.count or reading.summary):
        return Computed(State.NOT_APPLICABLE, reason="the period has no entries")
    return _decided(replace(found, rows=(*forged, *found.rows)[:LISTED], count=len(forged) + found.count))


def sealed_monthly(reading: Reading) -> Computed:
    """Decide from the entries and seals of each month. A seal that was changed or forged is no seal of a month."""
    entries = dict(reading.table("", "entries_by_month").rows)
    columns, seals = reading.rows("seals_by_month")
    signed = {row[0]: row[2] for row in seals}
    over = [month.name for month in reading.scope.period.months() if month.end <= reading.scope.now]
    rows = [(month, entries.get(month, 0), signed.get(month, 0)) for month in over]
    query = reading.scope.render("seals_by_month")
    if not any(row[1] for row in rows):
        return Computed(State.NOT_APPLICABLE, reason="no month of the period that is over has entries")
    names = ("month", "entries", "signed_seals")
    found = _decided(
        Table.of("Months without a signed seal", query, names, [row for row in rows if row[1] and not row[2]]),
        (Table.of("Entries and seals by month", query, names, rows), Table.of("Seals by month", query, columns, seals)),
    )
    forged = next((each.message for each in reading.seals.faults if each.seal is not None), None)
    return found if forged is None else found._replace(state=State.NOT_SATISFIED, reason=forged)


def _kept(days: int) -> Callable[[Reading], Computed]:
    def decide(reading: Reading) -> Computed:
        every = reading.table("Shortest retention by event", "entries_by_retention")
        if not every.count:
            return Computed(State.NOT_APPLICABLE, reason="the period has no entries")
        short = [row for row in reading.rows("entries_by_retention")[1] if row[1] < days]
        return _decided(Table.of(f"Events kept for less than {days} days", every.query, every.columns, short), (every,))

    return decide


def retention_ends(reading: Reading) -> Computed:
    """Decide from all entries. kms-schema audit retain removes the oldest first: an entry may hold back later ones."""
    if reading.rows("log_begins")[1][0][0] is None:
        return Computed(State.NOT_APPLICABLE, reason="the log has no entries")
    left = reading.table("Entries past their period", "past_their_period")
    found = _decided(left, (reading.table(REMOVED_TITLE, "removed"),))
    if not left.count or not _is_held_back(reading, left.rows[0][0]):
        return found
    reason = (
        "an entry before them, or beside them in the tree, is to be kept for longer: audit retain cannot remove them"
    )
    return found._replace(state=State.FOR_REVIEW, reason=reason)


def _is_held_back(reading: Reading, sequence: int) -> bool:
    """Return whether a sealed entry that is past its period comes after one that is retained."""
    snapshot = reading.snapshot
    if snapshot.retention.first_left() is not None or _is_unsealed(reading, sequence):
        return False
    try:
        cut = expired(snapshot)
    except CannotProveError:
        return False
    return cut is None or sequence > cut.last_sequence


def _is_unsealed(reading: Reading, sequence: int) -> bool:
    return bool(reading.rows("unsealed_entry", sequence=sequence)[1][0][0])


def who(reading: Reading) -> Computed:
    """Decide from the logins of all entries."""
    every = reading.table("", "entries_by_login")
    if not every.count:
        return Computed(State.NOT_APPLICABLE, reason="the period has no entries")
    blank = [row for row in reading.rows("entries_by_login")[1] if not str(row[0] or "").strip()]
    return _decided(Table.of("Entries without a login", every.query, every.columns, blank))


COMPUTED: Mapping[str, Callable[[Reading], Computed]] = MappingProxyType(
    {
        "strength": strength,
        "wrapping": wrapping,
        "no-drift": no_drift,
        "privileges": privileges,
        "entries-unchanged": entries_unchanged,
        "sealed": sealed,
        "sealed-monthly": sealed_monthly,
        "kept-a-year": _kept(YEAR),
        "kept-seven-years": _kept(SEVEN_YEARS),
        "retention-ends": retention_ends,
        "who": who,
    }
)
"""The computation of each claim that needs one, by its name."""
