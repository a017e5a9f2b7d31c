"""The schema of an application, with each kind of object that is compared, and drifts of it."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from support.engines import Database
from support.engines.database import Connection

POSTGRESQL = """
CREATE TYPE mood AS ENUM ('calm', 'busy');
CREATE DOMAIN email AS text CONSTRAINT has_at CHECK (VALUE LIKE '%@%');
CREATE TYPE place AS (street text, town varchar(80));
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION twice(n integer, m text DEFAULT 'x') RETURNS integer LANGUAGE sql AS 'SELECT n * 2';
CREATE PROCEDURE tidy(n integer) LANGUAGE sql AS 'SELECT n';
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, address email NOT NULL UNIQUE, name varchar(80) DEFAULT '?',
    state mood, home place, CHECK (length(name) < 70)
);
CREATE TABLE "Or.ders" (
    "n.o" serial PRIMARY KEY, "cust""omer" bigint REFERENCES customers ON DELETE CASCADE, total numeric(10, 2),
    half numeric GENERATED ALWAYS AS (total / 2) STORED, CONSTRAINT "not less" CHECK (total >= 0)
);
CREATE INDEX big_orders ON "Or.ders" ("cust""omer") INCLUDE (total) WHERE total > 100;
CREATE TRIGGER "before.it" BEFORE UPDATE ON "Or.ders" FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW big AS SELECT * FROM "Or.ders" WHERE total > 100;
CREATE MATERIALIZED VIEW sums AS SELECT "cust""omer" AS customer, sum(total) AS total FROM "Or.ders" GROUP BY 1;
CREATE UNIQUE INDEX of_sums ON sums (customer);
CREATE RULE quiet AS ON DELETE TO customers DO INSTEAD NOTHING;
CREATE STATISTICS seen_together ON name, state FROM customers;
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_them ON customers USING (true);
CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
COMMENT ON TABLE events IS 'all that happened';
CREATE TRIGGER of_events AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION touch();
GRANT ALL ON events TO pg_monitor;
CREATE DOMAIN size AS varchar(30) CONSTRAINT sizes CHECK (VALUE IN ('s', 'm'));
CREATE TYPE span AS RANGE (SUBTYPE = float8);
CREATE TABLE kept (at date, place text, PRIMARY KEY (at, place)) PARTITION BY RANGE (at);
CREATE TABLE kept_2026 PARTITION OF kept FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE kept_2027 PARTITION OF kept FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
CREATE TABLE refers (at date, place text, FOREIGN KEY (at, place) REFERENCES kept, wide size);
ALTER TABLE refers ADD CONSTRAINT later CHECK (place <> '') NOT VALID;
CREATE SCHEMA sales;
CREATE TABLE sales.goals (id integer PRIMARY KEY, customer bigint REFERENCES customers);
"""
SQLITE = """
CREATE TABLE customers (
    id integer PRIMARY KEY, address text NOT NULL UNIQUE, name text DEFAULT '?', CHECK (length(name) < 70)
);
CREATE TABLE "Or.ders" (
    "n.o" integer PRIMARY KEY, "cust""omer" integer REFERENCES customers, total numeric,
    half numeric GENERATED ALWAYS AS (total / 2) STORED, CONSTRAINT "not less" CHECK (total >= 0)
);
CREATE INDEX big_orders ON "Or.ders" ("cust""omer") WHERE total > 100;
CREATE TRIGGER "before.it" BEFORE UPDATE ON "Or.ders" BEGIN SELECT RAISE(ABORT, 'no'); END;
CREATE VIEW big AS SELECT * FROM "Or.ders" WHERE total > 100;
"""


@dataclass(frozen=True)
class Drift:
    """A change, and the finding of it; `fixed` if the SQL of the finding takes it back."""

    change: str
    code: str
    object: str
    fixed: bool = True


DRIFTS: Mapping[str, tuple[Drift, ...]] = {
    "postgresql": (
        Drift("ALTER TABLE customers ADD extra integer", "KMS112", "column public.customers.extra"),
        Drift("ALTER TABLE customers ALTER name TYPE text", "KMS113", "column public.customers.name"),
        Drift("ALTER TABLE customers ALTER name DROP DEFAULT", "KMS113", "column public.customers.name"),
        Drift("ALTER TABLE customers ALTER address DROP NOT NULL", "KMS113", "column public.customers.address"),
        Drift('ALTER TABLE "Or.ders" RENAME "n.o" TO n', "KMS114", 'column public."Or.ders".n.o'),
        Drift('ALTER TABLE "Or.ders" DROP CONSTRAINT "not less"', "KMS121", 'constraint public."Or.ders".not less'),
        Drift(
            'ALTER TABLE "Or.ders" DROP CONSTRAINT "not less", ADD CONSTRAINT "not less" CHECK (total > 1)',
            "KMS123", 'constraint public."Or.ders".not less',
        ),
        Drift("DROP INDEX big_orders", "KMS131", "index public.big_orders"),
        Drift("CREATE INDEX other ON customers (name)", "KMS132", "index public.other"),
        Drift('DROP TRIGGER "before.it" ON "Or.ders"', "KMS141", 'trigger public."Or.ders".before.it'),
        Drift(
            'ALTER TABLE "Or.ders" DISABLE TRIGGER "before.it"', "KMS145", 'trigger public."Or.ders".before.it'
        ),
        Drift("DROP FUNCTION twice(integer, text)", "KMS151", "function public.twice(n integer, m text)"),
        Drift(
            "CREATE OR REPLACE PROCEDURE tidy(n integer) LANGUAGE sql AS 'SELECT n + 1'",
            "KMS153", "procedure public.tidy(n integer)",
        ),
        Drift("DROP AGGREGATE total(integer)", "KMS151", "aggregate public.total(integer)"),
        Drift(
            "CREATE OR REPLACE AGGREGATE total(integer) (SFUNC = int4mul, STYPE = integer, INITCOND = '1')",
            "KMS153", "aggregate public.total(integer)",
        ),
        Drift('CREATE OR REPLACE VIEW big AS SELECT * FROM "Or.ders" WHERE total > 9', "KMS163", "view public.big"),
        Drift("DROP MATERIALIZED VIEW sums", "KMS171", "materialized view public.sums"),
        Drift('ALTER SEQUENCE "Or.ders_n.o_seq" CACHE 9', "KMS183", "sequence public.Or.ders_n.o_seq"),
        Drift("DROP RULE quiet ON customers", "KMS191", "rule public.customers.quiet"),
        Drift("ALTER POLICY all_of_them ON customers TO postgres", "KMS203", "policy public.customers.all_of_them"),
        Drift("DROP POLICY all_of_them ON customers", "KMS201", "policy public.customers.all_of_them"),
        Drift("DROP STATISTICS seen_together", "KMS221", "statistics public.seen_together"),
        Drift("CREATE TYPE colour AS ENUM ('red')", "KMS242", "enum public.colour"),
        Drift("ALTER DOMAIN email DROP CONSTRAINT has_at", "KMS243", "domain public.email"),
        Drift("ALTER DOMAIN email SET DEFAULT 'a@b'", "KMS243", "domain public.email"),
        Drift("GRANT SELECT ON customers TO PUBLIC", "KMS302", "table public.customers"),
        Drift("ALTER TABLE customers DISABLE ROW LEVEL SECURITY", "KMS303", "table public.customers"),
        Drift("COMMENT ON TABLE events IS 'nothing'", "KMS305", "partitioned table public.events"),
        Drift("ALTER TABLE sales.goals ADD CHECK (id > 0)", "KMS122", "constraint sales.goals.goals_id_check"),
        Drift("ALTER DOMAIN email OWNER TO pg_monitor", "KMS301", "domain public.email"),
        Drift("COMMENT ON TYPE mood IS 'of today'", "KMS305", "enum public.mood"),
        Drift("REVOKE USAGE ON TYPE mood FROM PUBLIC", "KMS302", "enum public.mood"),
        # without SQL that fixes them
        Drift("CREATE TABLE extra (id integer)", "KMS102", "table public.extra", fixed=False),
        Drift("ALTER TYPE mood ADD VALUE 'angry'", "KMS243", "enum public.mood", fixed=False),
        Drift("ALTER TYPE mood RENAME VALUE 'busy' TO 'idle'", "KMS243", "enum public.mood", fixed=False),
        Drift("ALTER TYPE place ADD ATTRIBUTE country text", "KMS243", "composite type public.place", fixed=False),
        Drift("DROP TABLE events_2026", "KMS101", "table public.events_2026", fixed=False),
        Drift("ALTER TABLE customers DROP name", "KMS111", "column public.customers.name", fixed=False),
        Drift("DROP TABLE sales.goals", "KMS101", "table sales.goals", fixed=False),
    ),
    "sqlite": (
        Drift("ALTER TABLE customers ADD extra integer", "KMS112", "column customers.extra"),
        Drift('ALTER TABLE "Or.ders" RENAME "n.o" TO n', "KMS114", 'column "Or.ders".n.o'),
        Drift("DROP INDEX big_orders", "KMS131", "index big_orders"),
        Drift("CREATE INDEX other ON customers (name)", "KMS132", "index other"),
        Drift('DROP TRIGGER "before.it"', "KMS141", 'trigger "Or.ders".before.it'),
        Drift("DROP VIEW big; CREATE VIEW big AS SELECT 1 AS one", "KMS163", "view big"),
        Drift("CREATE TABLE extra (id integer)", "KMS102", "table extra", fixed=False),
    ),
}  # fmt: skip


def run(connection: Connection, statements: str) -> None:
    """Run several statements."""
    if hasattr(connection, "executescript"):
        connection.executescript(statements)
    else:
        connection.execute(statements.encode())


def fill(database: Database) -> None:
    """Create the schema in a database."""
    with closing(database.connect()) as connection:
        run(connection, POSTGRESQL if database.dialect == "postgresql" else SQLITE)
