"""The documentation site: Markdown pages, and the reference out of docstrings. ``make docs`` builds it."""

from lossy_lightning import __version__

project = "lossy_lightning"
author = "The lossy_lightning authors"
version = release = __version__
html_title = f"lossy_lightning {__version__}"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks keep their outputs: python -m benchmarks.notebooks
suppress_warnings = ["ref.python"]  # names that several rooms share are linked to the first

default_role = "code"  # `name` in a docstring
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes are documented once
napoleon_use_rtype = False
napoleon_custom_sections = [("Source", "notes_style"), ("Logged", "notes_style")]

html_theme = "furo"
html_theme_options = {"footer_icons": []}
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_copyright = False
html_copy_source = False
