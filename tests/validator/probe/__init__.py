"""Tests of `kms-schema validate --probe`."""
