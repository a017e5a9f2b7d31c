"""The configuration of Sphinx for the site. `tools/build-site` calls it; CONTRIBUTING.md says how to build."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from kms_schema import __version__  # noqa: E402

project = "kms-schema"
author = "the kms-schema authors"
version = release = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "tools.site.extension"]
source_suffix = {".md": "markdown"}
root_doc = "index"

# Anchors of headings are those of GitHub, so that `page.md#heading` leads to the same place in both.
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]

copybutton_selector = "div:not(.highlight-text) > div.highlight pre"  # output is not to be typed

smartquotes = False  # it makes a dash of the two hyphens of --help

# Docstrings are written as Markdown; tools/site/docstrings.py translates them.
default_role = "code"
autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "member-order": "bysource",
    "no-value": True,
    "exclude-members": "metadata, registry, cache_ok, impl, inherit_cache",  # SQLAlchemy's, in our classes
}
autodoc_inherit_docstrings = False
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"
add_module_names = False

html_theme = "furo"
html_title = f"kms-schema {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "default"
pygments_dark_style = "github-dark"
