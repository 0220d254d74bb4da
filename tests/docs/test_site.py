"""The documentation builds as a site with every page, without dead links or external resources."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.stem for path in (ROOT / "docs").glob("*.md"))
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "object": "data", "source": "src"}


class Addresses(HTMLParser):
    """The resources that a page loads and the targets of its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element's address; a canonical link is not loaded."""
        values = dict(attrs)
        address = values.get(LOADED.get(tag, "")) or ""
        if address and values.get("rel") not in {"canonical", "prev", "next"}:
            self.loaded.add(address)
        if tag == "a" and values.get("href"):
            self.links.add(values["href"] or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with `--strict`."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def html(site: Path) -> list[Path]:
    return sorted(path for path in site.rglob("*.html") if path.name != "404.html")


def test_the_site_has_every_page(site: Path) -> None:
    built = {path.stem for path in site.glob("*.html")}
    assert built == {*PAGES, "index", "404"} - {"README"}


def test_no_page_loads_external_resources(site: Path) -> None:
    for path in html(site):
        addresses = Addresses(path.read_text(encoding="utf-8"))
        assert addresses.loaded, path
        for address in addresses.loaded:
            assert not urlsplit(address).netloc, f"{path.name} loads {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?https?:", style.read_text(encoding="utf-8")), style


def test_every_link_within_the_site_leads_to_a_file(site: Path) -> None:
    for path in html(site):
        for link in Addresses(path.read_text(encoding="utf-8")).links:
            parts = urlsplit(link)
            if not parts.scheme and not parts.netloc and parts.path:
                assert (path.parent / unquote(parts.path)).exists(), f"{path.name} links to {link}"


def test_the_examples_on_the_site_equal_those_of_the_repository(site: Path) -> None:
    shipped = [path for path in (site / "examples").rglob("*") if path.suffix in {".sh", ".py", ".yaml"}]
    assert len(shipped) >= 4
    for path in shipped:
        assert path.read_bytes() == (ROOT / path.relative_to(site)).read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        "segment",
        "amplitude",
        "mixpanel",
        "hightouch",
        "mparticle",
        "cohort sync",
        "rollback",
        "security",
        "limits",
    ],
)
def test_common_search_words_are_in_the_title_of_a_page(site: Path, words: str) -> None:
    found = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    pages = [entry["title"].lower() for entry in found if "#" not in entry["location"]]
    assert any(words in title for title in pages)
