"""Support for several folders of tests."""
