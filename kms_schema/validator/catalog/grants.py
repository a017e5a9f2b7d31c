"""PostgreSQL's access control lists, as differences from the owner's default.

A list that is NULL and one with the default are the same, so only the differences from the default are an attribute.
https://www.postgresql.org/docs/current/ddl-priv.html, "ACL Privilege Abbreviations".
"""

import re
from collections.abc import Iterable, Mapping

from kms_schema.text.identifiers import quoted

_PRIVILEGES = {
    "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "D": "TRUNCATE", "x": "REFERENCES",
    "t": "TRIGGER", "X": "EXECUTE", "U": "USAGE", "C": "CREATE", "m": "MAINTAIN",
}  # fmt: skip


_LINE = re.compile(r'(?P<role>"(?:[^"]|"")*"|[^":]+): (?P<privileges>.*)', re.DOTALL)
"""A line after its sign: a role, quoted if it needs quotes, and its privileges."""


def role_and_privileges(line: str) -> tuple[str, str]:
    """Return the role of a line of `grants`, as SQL names it, and the privileges."""
    match = _LINE.fullmatch(line[2:])
    if match is None:
        raise ValueError(f"not a line of `grants`: {line!r}")
    return match["role"], match["privileges"]


def grants(
    acl: Iterable[str] | None, default: Iterable[str] | None, columns: Mapping[str, Iterable[str]] | None
) -> list[str] | None:
    """Return lines such as `+ auditor: SELECT` and `- PUBLIC: EXECUTE`, or None where nothing differs from
    the default.

    A role and a column are in quotes where they need them. `acl` and `default` hold aclitem texts,
    `grantee=privileges/grantor`; `columns` holds those of single columns by name.
    """
    lines: list[str] = []
    if acl is not None:
        granted, usual = _by_grantee(acl), _by_grantee(default or ())
        for grantee in sorted(granted.keys() | usual.keys()):
            has, had = granted.get(grantee, frozenset()), usual.get(grantee, frozenset())
            lines += [
                f"{sign} {grantee}: {', '.join(sorted(which))}"
                for sign, which in (("+", has - had), ("-", had - has))
                if which
            ]
    for column, items in sorted((columns or {}).items()):
        for grantee, privileges in sorted(_by_grantee(items).items()):
            lines += [f"+ {grantee}: {privilege} ({quoted(column)})" for privilege in sorted(privileges)]
    return lines or None


def grants_and_revokes(on: str, expected: Iterable[str] | None, actual: Iterable[str] | None) -> str:
    """Return SQL that revokes additional privileges on an object, and grants missing privileges."""
    should, does = _single(expected), _single(actual)
    words: dict[tuple[bool, str, str, str], list[str]] = {}
    for line in sorted(should ^ does):
        role, privilege = role_and_privileges(line)
        privilege, bracket, column = privilege.partition(" (")
        gained = (line[0] == "+") == (line in does)
        privilege, option, _ = privilege.partition(" WITH GRANT OPTION")
        granted = option if not gained else ""
        words.setdefault((not gained, role, bracket + column, granted), []).append(privilege)
    # REVOKE first: revoking a grant option from a role revokes the privilege, too.
    return " ".join(
        f"{'GRANT' if lost else 'REVOKE'} {', '.join(privileges)}{column} ON {on}"
        f" {'TO' if lost else 'FROM'} {role}{option};"
        for (lost, role, column, option), privileges in sorted(words.items())
    )


def _single(lines: Iterable[str] | None) -> frozenset[str]:
    """Return lines of one privilege each, with the column for privileges on columns."""
    return frozenset(
        f"{line[0]} {role}: {privilege}"
        for line in lines or ()
        for role, privileges in [role_and_privileges(line)]
        # A privilege on a column has a line of its own, and the name of the column may have a comma.
        for privilege in ([privileges] if " (" in privileges else privileges.split(", "))
    )


def _by_grantee(acl: Iterable[str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for item in acl:
        grantee, letters = _parse(item)
        found[grantee] = found.get(grantee, frozenset()) | _privileges(letters)
    return found


def _parse(item: str) -> tuple[str, str]:
    """Split `grantee=letters/grantor`; a grantee of other than letters, digits and `_` is in double
    quotes.
    """
    if item.startswith('"'):
        end = 1
        while item[end : end + 2] == '""' or item[end] != '"':
            end += 2 if item[end] == '"' else 1
        grantee, rest = item[1:end].replace('""', '"'), item[end + 2 :]
    else:
        grantee, _, rest = item.partition("=")
    # A role can be called PUBLIC: that one is in quotes.
    return quoted(grantee) if grantee else "PUBLIC", rest.partition("/")[0]


def _privileges(letters: str) -> frozenset[str]:
    """Return the names of the letters; `*` after a letter is the grant option."""
    names = []
    for position, letter in enumerate(letters):
        if letter != "*":
            option = " WITH GRANT OPTION" if letters[position + 1 : position + 2] == "*" else ""
            names.append(_PRIVILEGES.get(letter, letter) + option)
    return frozenset(names)
