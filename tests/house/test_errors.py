"""One hierarchy: a program that catches `KmsSchemaError` catches every error that the package defines."""

import ast
import pickle
from collections import defaultdict
from collections.abc import Iterator

from kms_schema import KmsSchemaError
from kms_schema.cli.database_errors import ANSWERS
from kms_schema.keyring.formats.errors import DoesNotOpenError
from support.import_graph import modules
from tools.public_errors import defined_errors, has_always_a_reason, hierarchy, reasons_of


def test_every_error_is_below_the_base_class() -> None:
    errors = defined_errors() - {KmsSchemaError}
    assert len(errors) > 50
    assert sorted(each.__name__ for each in errors if not issubclass(each, KmsSchemaError)) == []


def test_every_error_is_called_so_and_has_a_sentence_of_its_own() -> None:
    errors = defined_errors()
    assert sorted(each.__name__ for each in errors if not each.__name__.endswith("Error")) == []
    assert sorted(each.__name__ for each in errors if not (vars(each).get("__doc__") or "").strip()) == []


def test_the_page_lists_each_error_once() -> None:
    listed = [error for _, error in hierarchy()]
    assert len(listed) == len(set(listed))
    assert set(listed) == defined_errors() - {KmsSchemaError}


def test_the_messages_of_commands_are_about_errors_that_exist() -> None:
    classes = {each.__name__: each for each in defined_errors()}
    rows = [key.removesuffix(")").partition(" (") for key in ANSWERS]
    assert [name for name, _, reason in rows if reason not in ("", *reasons_of(classes[name]))] == []


def given_reasons() -> Iterator[tuple[str, str, ast.expr | None]]:
    """Yield place, class and reason of each error that the package makes; None without a reason."""
    names = frozenset(error.__name__ for error in defined_errors())
    for module, file in modules().items():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and (name := getattr(node.func, "id", getattr(node.func, "attr", ""))) in names
            ):
                reasons = (each.value for each in node.keywords if each.arg == "reason")
                yield f"{module}:{node.lineno}", name, next(reasons, None)


def family_of(error: type[BaseException]) -> type[BaseException]:
    """Return the class that lists the reasons of `error`: itself, or one above it."""
    return next((each for each in error.__mro__ if issubclass(each, BaseException) and reasons_of(each)), error)


def test_each_reason_is_one_of_its_class_and_none_is_left_over() -> None:
    families = {error.__name__: family_of(error) for error in defined_errors()}
    given: dict[type[BaseException], set[str]] = defaultdict(set)
    for _, name, reason in given_reasons():
        if reason is not None:
            constants = (each.value for each in ast.walk(reason) if isinstance(each, ast.Constant))
            words = {each for each in constants if isinstance(each, str)}
            given[families[name]] |= words or set(reasons_of(families[name]))  # the status of a key, in one place
    assert given == {error: set(reasons_of(error)) for error in defined_errors() if reasons_of(error)}


def test_a_class_whose_reason_is_never_none_always_has_one() -> None:
    required = frozenset(each.__name__ for each in defined_errors() if has_always_a_reason(each))
    assert [place for place, name, reason in given_reasons() if name in required and reason is None] == []


def test_each_error_reaches_another_process_as_it_is() -> None:
    # concurrent.futures and multiprocessing pickle what a worker raises.
    def arrives(sent: BaseException) -> bool:
        try:
            received = pickle.loads(pickle.dumps(sent))  # noqa: S301 — written by this test
        except TypeError:
            return False
        return (type(received), str(received), vars(received)) == (type(sent), str(sent), vars(sent))

    sent = [error() if error is DoesNotOpenError else error("a message") for error in defined_errors()]
    assert [type(each).__name__ for each in sent if not arrives(each)] == []
