"""Opens the root that a URI names: `file:`, `env:`, `pkcs11:`, `awskms:`, and the schemes of other packages.

Others declare a function that takes the URI and returns a `kms_schema.crypto.Root`, in the group of entry points
`kms_schema.roots`, under the name of their scheme.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kms_schema.crypto import Root, RootKeyError, RootKeys, SecretRoot
from kms_schema.crypto.roots import read_root_file

GROUP = __name__.rpartition(".")[0]
"""The group of entry points, which has the name of this package."""

Opener = Callable[..., Root]

_BUILT_IN = {
    "pkcs11": EntryPoint("pkcs11", "kms_schema.roots.pkcs11_root:open_root", GROUP),
    "awskms": EntryPoint("awskms", "kms_schema.roots.aws_root:open_root", GROUP),
}
"""Of this package."""
_LIBRARIES = {"pkcs11": "python-pkcs11", "boto3": "boto3", "botocore": "boto3"}
"""Modules that they need, and what to install for them: the extras `pkcs11` and `aws` of this package."""
_CREATE = EntryPoint("pkcs11", "kms_schema.roots.pkcs11_root:create_root", GROUP)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):")
"""Of two letters and more: one is a drive of Windows."""


def open_roots(uris: Mapping[str, str], *, despite_refused_pin: bool = False) -> RootKeys:
    """Return the roots of URIs by their references, for the caller to close.

    uris: by reference; a URI without a scheme is the path of a file. Tokens and clouds are contacted at first use.
    despite_refused_pin: send a token its PIN although it reports that one was refused; a further wrong PIN may lock it.

    Raises `RootKeyError` if a URI is wrong or has no provider, or a file or variable has no key. Example::

        with open_roots({"kms://root-2026": "pkcs11:token=kms;object=root-2026?module-path=/usr/lib/softhsm/libsofthsm2"
                         ".so&pin-source=file:/run/secrets/pin"}) as roots:
            ring = KeyRing(engine, roots)
    """
    with ExitStack() as stack:
        opened = {}
        for reference, uri in uris.items():
            opened[reference] = open_root(uri, despite_refused_pin=despite_refused_pin)
            stack.callback(opened[reference].close)
        keys = RootKeys(opened)
        stack.pop_all()
        return keys


def open_root(uri: str, *, despite_refused_pin: bool = False) -> Root:
    """Return the root that a URI names.

    despite_refused_pin: as for `open_roots`. Raises as `open_roots` does. Example::

        open_root("file:/run/secrets/root-2026.key").health()
    """
    scheme = scheme_of(uri)
    rest = uri[len(scheme) + 1 :] if scheme else uri
    if scheme in (None, "file"):
        path = unquote(urlsplit(uri).path) if rest.startswith("//") and scheme else rest
        return SecretRoot.from_file(path)
    if scheme == "env":
        return SecretRoot.from_environment(rest)
    opener = _opener(scheme)
    return opener(uri, despite_refused_pin=True) if scheme == "pkcs11" and despite_refused_pin else opener(uri)


def create_root(uri: str, from_file: Path | None = None) -> Root:
    """Create the root key that a `pkcs11:` URI names in its token, and return it, for the caller to close.

    uri: names the token, and the new key by `object` and perhaps `id`. from_file: import the root key of this file;
    by default the token generates one.

    Raises `RootKeyError` for another URI or file, and the errors of
    `kms_schema.pkcs11`, such as `TokenRefusedError` if the token has such a key. Example::

        create_root("pkcs11:token=kms;object=root-2027?module-path=…&pin-source=file:/run/secrets/pin").close()
    """
    if scheme_of(uri) != "pkcs11":
        raise RootKeyError("root keys are created in PKCS#11 tokens only; for a file: openssl rand -base64 32")
    create = _loaded(_CREATE)
    if from_file is None:
        return create(uri)
    with read_root_file(from_file) as material:
        return create(uri, material)


def scheme_of(uri: str) -> str | None:
    """Return the scheme of a URI; None for a path."""
    match = _SCHEME.match(uri)
    return match[1] if match else None


def split_option(text: str) -> tuple[str, str]:
    """Return reference and URI of REF=URI; empty texts if the text has another form.

    Either may contain `=`: the URI begins after the first `=` that a scheme follows, else after the last. It raises
    nothing. A program reads KMS_ROOT_KEYS as the commands do with it::

        roots = open_roots(dict(map(split_option, os.environ["KMS_ROOT_KEYS"].split())))
    """
    known = "|".join(map(re.escape, ("file", "env", *_BUILT_IN, *entry_points(group=GROUP).names)))
    match = re.search(rf"=(?=(?:{known}):)", text)
    reference, _, uri = (text[: match.start()], "=", text[match.end() :]) if match else text.rpartition("=")
    return reference, uri


def _opener(scheme: str) -> Opener:
    found = [_BUILT_IN[scheme]] if scheme in _BUILT_IN else list(entry_points(group=GROUP, name=scheme))
    if len(found) > 1:
        raise RootKeyError(f"several installed packages provide roots of {scheme}: uninstall all but one")
    if not found:
        raise RootKeyError(f"no installed package provides roots of {scheme}: (for the path of a file write file:PATH)")
    return _loaded(found[0])


def _loaded(provider: EntryPoint) -> Opener:
    try:
        loaded: Opener = provider.load()
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        raise RootKeyError(f"roots of {provider.name}: need a library: pip install {_LIBRARIES[error.name]}") from None
    return loaded
