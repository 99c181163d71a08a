"""Sphinx' settings.  `make docs` builds the site from the pages as they lie here.

The project's folder is the source, so that CONTRIBUTING.md, the notebooks and the
results of benchmarks are pages without being copied.  What is told of settings and of
names comes from the program itself: `docs/generate.py`.
"""

import importlib.util
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
specification = importlib.util.spec_from_file_location(
    "generate", ROOT / "docs" / "generate.py"
)
generate = importlib.util.module_from_spec(specification)
specification.loader.exec_module(generate)
generate.write_pages(ROOT)

project = "symnet"
author = "symnet developers"
copyright = author
release = generate.symnet.__version__

extensions = ["myst_nb"]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "tutorials/README.md",
    "tutorials/*.ipynb",
    "tutorials/ko/README.md",
    "tutorials/ko/*.ipynb",
]
exclude_patterns = ["docs/generated/settings.md", "docs/generated/results.md"]
nb_execution_mode = "off"  # shown as they were saved; the tests run them
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # listings that are shortened

html_theme = "furo"
html_title = "symnet"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
