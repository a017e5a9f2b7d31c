"""The expressions of the queries that differ between the engines."""

from dataclasses import dataclass, field

from kms_schema.audit.anomalies import known_entries, rules

_MOST = 1_000_000_000_000_000
"""No count of an entry is above this: entries are claims, and a sum of them must not overflow."""


@dataclass(frozen=True)
class Dialect:
    """How one engine spells what the queries need. `{x}` stands for a column or an expression."""

    place: str
    """A value, by its `{name}`."""
    day: str
    """The start of the UTC day of a time."""
    earlier: str
    """A time `{hours}` hours before another."""
    later: str
    """A time `{hours}` hours after another."""
    text: str
    """The text of `{name}` in a document, else NULL."""
    number: str
    """The count `{name}` in a document, else 0."""
    row: str
    """The id `{name}` in a document, as ids are stored; else NULL."""
    kind: str
    """The JSON type of `{name}` in a document."""
    sum: str
    """A sum of counts."""
    upper: str
    """A type in upper case."""
    lower: str
    """A text in lower case, the same in every language."""
    is_of: str
    """The condition that a column is one of the values `{name}`."""
    number_kind: str
    """The JSON type of a count."""
    text_kind: str
    """The JSON type of a text."""
    words: dict[str, str] = field(init=False, default_factory=dict, compare=False, repr=False)
    """The SQL of each placeholder of the queries."""

    def __post_init__(self) -> None:
        """Make the words once."""
        self.words.update(self._names(), **self._times(), **self._documents())

    def _names(self) -> dict[str, str]:
        names = ("since", "until", "places")
        constants = {
            "most_entries": rules.MOST_ENTRIES,
            "sweep_keys": rules.SWEEP_KEYS,
            "spike_uses": rules.SPIKE_USES,
        }
        return {
            **{name: self.place.replace("{name}", name) for name in names},
            **{name: str(value) for name, value in constants.items()},
            "uses": known_entries.uses(),
            "changes": known_entries.changes(),
            "known_types": known_entries.known_types(),
            "possible_statuses": known_entries.possible_statuses(),
            "folded_types": known_entries.folded_types(),
            "folded_type": known_entries.folded_type("entry.event_type", self.upper),
            "described_type": self.lower.replace("{x}", "replace(entry.event_type, '_', ' ')"),
            "is_of_actors": self._is_of("actors", "entry.recorded_by"),
            "is_of_keys": self._is_of("keys", "entry.key_id"),
            # Not `key_id IS NOT NULL`: PostgreSQL 18 would search idx_key_audit_logs_history once for each key.
            "has_key": "CAST(entry.key_id AS text) IS NOT NULL",
        }

    def _times(self) -> dict[str, str]:
        return {
            "day": self.day.replace("{x}", "entry.timestamp"),
            "day_of_found": self.day.replace("{x}", "found.timestamp"),
            "known_from": self._before("used.day", 24 * rules.KNOWN_DAYS),
            "established_until": self._before("used.day", 24 * rules.ESTABLISHED_DAYS),
            "explained_from": self._before("moment.timestamp", rules.EXPLAINED_HOURS),
            "explained_since": self._before(self.place.replace("{name}", "since"), rules.EXPLAINED_HOURS),
            "late_from": self._after("late.ended", rules.LATE_ENTRY_HOURS),
            "late_from_of_found": self._after("found.ended", rules.LATE_ENTRY_HOURS),
        }

    def _documents(self) -> dict[str, str]:
        entry = "entry.additional_metadata"
        uses = f"({self._number(entry, 'encryptions')} + {self._number(entry, 'decryptions')})"
        document = "CASE WHEN known.form = 'key' THEN {id} ELSE {key_id} END"
        has_row = f"{self._kind('id')} = '{self.text_kind}' AND {self._kind('changed')} = 'array'"
        return {
            "uses_of_entry": uses,
            "sum_of_uses": self.sum.replace("{x}", uses),
            "encryptions_of_entry": self._number(entry, "encryptions"),
            "version_of_entry": self._number(entry, "version"),
            "version_of_earlier": self._number("earlier.additional_metadata", "version"),
            "process_of_entry": f"coalesce({self._text(entry, 'process')}, '')",
            "process_of_earlier": f"coalesce({self._text('earlier.additional_metadata', 'process')}, '')",
            "row_of_entry": self._row("id"),
            "key_of_entry": document.replace("{id}", self._row("id")).replace("{key_id}", self._row("key_id")),
            "has_form": f"coalesce(CASE known.form WHEN 'retention' THEN"
            f" {self._kind('from')} = 'object' OR {self._kind('to')} = 'object'"
            f" WHEN 'tombstone' THEN {self._kind('leaf_count')} = '{self.number_kind}'"
            f" WHEN 'privileges' THEN {self._kind('granted')} = 'array' OR {self._kind('event_triggers')} = 'array'"
            f" ELSE {has_row} END, false)",
            "has_form_of_use": f"coalesce({self._kind('version')} = '{self.number_kind}'"
            f" AND {self._kind('encryptions')} = '{self.number_kind}'"
            f" AND {self._kind('decryptions')} = '{self.number_kind}'"
            f" AND {self._kind('process')} = '{self.text_kind}', false)",
        }

    def _before(self, time: str, hours: int) -> str:
        return self.earlier.replace("{hours}", str(hours)).replace("{x}", time)

    def _after(self, time: str, hours: int) -> str:
        return self.later.replace("{hours}", str(hours)).replace("{x}", time)

    def _is_of(self, name: str, column: str) -> str:
        return self.is_of.replace("{name}", name).replace("{x}", column)

    def _text(self, document: str, name: str) -> str:
        return self.text.replace("{name}", name).replace("{x}", document)

    def _number(self, document: str, name: str) -> str:
        return self.number.replace("{name}", name).replace("{x}", document)

    def _row(self, name: str) -> str:
        return self.row.replace("{name}", name).replace("{x}", "entry.additional_metadata")

    def _kind(self, name: str) -> str:
        return self.kind.replace("{name}", name).replace("{x}", "entry.additional_metadata")


POSTGRESQL = Dialect(
    place="%({name})s",
    day="date_trunc('day', {x}, 'UTC')",
    earlier="({x} - make_interval(hours => {hours}))",
    later="({x} + make_interval(hours => {hours}))",
    text="({x} ->> '{name}')",
    number="CASE WHEN jsonb_typeof({x} -> '{name}') = 'number'"
    f" THEN least(greatest(({{x}} ->> '{{name}}')::numeric, 0), {_MOST}) ELSE 0 END",
    row="CASE WHEN ({x} ->> '{name}') ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"
    " THEN ({x} ->> '{name}')::uuid END",
    kind="jsonb_typeof({x} -> '{name}')",
    sum="sum({x})",
    upper='upper({column} COLLATE "C")',
    lower='lower({x} COLLATE "C")',
    is_of="{x} = ANY (%({name})s)",
    number_kind="number",
    text_kind="string",
)

SQLITE = Dialect(
    place=":{name}",
    day="substr({x}, 1, 10) || 'T00:00:00.000000Z'",
    earlier="(strftime('%Y-%m-%dT%H:%M:%f', substr({x}, 1, 23), '-{hours} hours') || '000Z')",
    later="(strftime('%Y-%m-%dT%H:%M:%f', substr({x}, 1, 23), '+{hours} hours') || '000Z')",
    text="CASE WHEN json_valid({x}) THEN CAST(json_extract({x}, '$.{name}') AS TEXT) END",
    number="CASE WHEN json_valid({x}) THEN CASE WHEN json_type({x}, '$.{name}') = 'integer'"
    f" THEN min(max(json_extract({{x}}, '$.{{name}}'), 0), {_MOST}) ELSE 0 END ELSE 0 END",
    row="CASE WHEN json_valid({x}) THEN json_extract({x}, '$.{name}') END",
    kind="CASE WHEN json_valid({x}) THEN json_type({x}, '$.{name}') END",
    sum="total({x})",
    upper="upper({column})",
    lower="lower({x})",
    is_of="{x} IN (SELECT value FROM json_each(:{name}))",
    number_kind="integer",
    text_kind="text",
)
