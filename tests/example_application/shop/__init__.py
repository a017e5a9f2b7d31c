"""An application that keeps keys: what it has itself, and how it hosts kms-schema. See docs/hosting.md."""
