"""The commands of migrations, and a password that none of them may show."""

PASSWORD = "hunter2"  # noqa: S105  (in every URL here)
ALL_COMMANDS = ("upgrade", "downgrade base", "current", "current --format json", "stamp head")
