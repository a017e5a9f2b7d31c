"""The extension of Sphinx for the site: docstrings, links of codes, and checks of what the pages must contain."""

import inspect
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from docutils import nodes
from pygments.lexers.special import TextLexer
from pygments.lexers.sql import PostgresLexer
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

from tools.site.docstrings import to_rst
from tools.site.public_names import INTERNAL_TYPES, PUBLIC, documented_here

_LOG = logging.getLogger(__name__)
_CODE = re.compile(r"KMS\d{3}")
_OTHER_CODE = re.compile(
    r'<li class="toctree-l\d"><a class="reference internal" href="[^"]*KMS\d{3}\.html">[^<]*</a></li>\s*'
)
_EMPTY_LIST = re.compile(r"<ul>\s*</ul>\s*")


class LinkCodes(SphinxTransform):
    """Link each code of the validator that a page names to the page of the code."""

    default_priority: ClassVar[int] = 210

    def apply(self, **_options: Any) -> None:
        """Replace the literals that are a code, except in links, titles and the pages of codes."""
        if self.env.docname.startswith("codes/"):
            return
        for literal in list(self.document.findall(nodes.literal)):
            outside = isinstance(literal.parent, nodes.reference | nodes.title | addnodes.pending_xref)
            if _CODE.fullmatch(literal.astext()) and not outside:
                link = addnodes.pending_xref(
                    "", literal.deepcopy(), refdomain="std", reftype="doc", refexplicit=True, refwarn=True,
                    reftarget=f"/codes/{literal.astext()}", refdoc=self.env.docname,
                )  # fmt: skip
                literal.replace_self(link)


class UnlinkOthers(SphinxTransform):
    """Leave types of other libraries and internal ones of ours as text: the site has no page of them."""

    default_priority: ClassVar[int] = 210

    def apply(self, **_options: Any) -> None:
        """Replace the references of the Python domain that lead to none of our public modules."""
        for link in list(self.document.findall(addnodes.pending_xref)):
            target = str(link.get("reftarget", ""))
            if link.get("refdomain") == "py" and not self._is_ours(target):
                alternatives = list(link.findall(addnodes.pending_xref_condition))
                short = [each for each in alternatives if each.get("condition") == "resolved"]
                link.replace_self(short[0].children if short else link.children)

    @staticmethod
    def _is_ours(target: str) -> bool:
        private = target.rpartition(".")[2].startswith("_")
        return target.startswith("kms_schema.") and not private and target not in INTERNAL_TYPES


def translate(_app: Sphinx, _what: str, _name: str, thing: object, _options: object, lines: list[str]) -> None:
    """Replace the lines of a docstring with their reStructuredText."""
    try:
        parameters = list(inspect.signature(thing).parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        parameters = []
    lines[:] = to_rst("\n".join(lines), parameters).splitlines()


def check_names(_app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each public name that no page describes."""
    described = env.domains.python_domain.objects
    for module in PUBLIC:
        for name in documented_here(module):
            if f"{module}.{name}" not in described:
                _LOG.warning("no page describes %s.%s", module, name)


def show_one_code(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object) -> None:
    """Leave out of the sidebar the codes of the validator, except the one that the reader has opened."""
    toctree = context.get("toctree")
    if toctree is not None:
        context["toctree"] = lambda **options: _EMPTY_LIST.sub("", _OTHER_CODE.sub("", toctree(**options)))


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the extension to a build."""
    app.add_transform(LinkCodes)
    app.add_transform(UnlinkOthers)
    app.add_lexer("crontab", TextLexer)  # GitHub knows this language
    app.add_lexer("sql", PostgresLexer)  # the general one does not know dollar quotes
    app.connect("autodoc-process-docstring", translate)
    app.connect("env-check-consistency", check_names)
    app.connect("html-page-context", show_one_code, priority=400)  # before the theme reads the list
    return {"parallel_read_safe": True, "parallel_write_safe": True}


__all__: Sequence[str] = ["LinkCodes", "setup"]
