"""One hierarchy: a program that catches `KmsSchemaError` catches every error that the package defines."""

import pickle

from kms_schema import KmsSchemaError
from kms_schema.cli.database_errors import ANSWERS
from kms_schema.keyring.formats.errors import DoesNotOpenError
from tools.public_errors import defined_errors, hierarchy


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
    assert set(ANSWERS) - {each.__name__ for each in defined_errors()} == set()


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
