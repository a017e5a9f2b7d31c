"""`python -m kms_schema` is `kms-schema`."""

from kms_schema.cli import main

if __name__ == "__main__":
    main(name="python -m kms_schema")
