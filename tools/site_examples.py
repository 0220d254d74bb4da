"""A hook for MkDocs that adds the files of `examples/` to the site that its pages link to.

In the repository a page links to `../examples/NAME`, which lies outside the site's folder. On the site that
file lies beside the pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, InclusionLevel

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(\.\./(examples/[^)#]+)\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the files that the pages link to."""
    texts = [page.content_string for page in files.documentation_pages()]
    for name in sorted({name for text in texts for name in LINK.findall(text)}):
        source = str(ROOT / name)
        files.append(File.generated(config, name, abs_src_path=source, inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let the links of a page lead to the files beside it."""
    return LINK.sub(r"](\1)", markdown)
