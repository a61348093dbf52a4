"""How the documentation site is built; docs/design.md says why with Sphinx."""

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Tenure"
author = "The Tenure authors"
release = version = _PROJECT["version"]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
nitpicky = True
smartquotes = False  # It would make one dash of the two of an option.
# Every heading of the three upper levels can be linked to, under the name that code hosts give it.
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
}
# Pages that are a section by themselves have no pages beside them.
html_sidebars = {
    page: []
    for page in (
        *("get-started", "install", "concepts", "kubectl", "console"),
        *("security", "glossary", "design", "contributing/tour"),
    )
}
html_title = f"Tenure {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
