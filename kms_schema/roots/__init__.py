"""Roots of trust by URI: files, variables, PKCS#11 tokens, AWS KMS, and providers of other packages.

See the page "roots" of the documentation.

Libraries of providers are imported when a URI of theirs is opened.
"""

from kms_schema.roots.checking import Checked, check_roots, missing_roots
from kms_schema.roots.opening import create_root, open_root, open_roots, split_option

__all__ = ["Checked", "check_roots", "create_root", "missing_roots", "open_root", "open_roots", "split_option"]
