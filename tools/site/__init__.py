"""The documentation as a site: its generated pages, the extension of Sphinx, and the check of what was built."""
