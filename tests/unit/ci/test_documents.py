"""The documents: their links lead somewhere, and the map of the code names what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WATCHER = ROOT / "watcher"
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "config").glob("*.md")),
    ROOT / "deploy" / "README.md",
    ROOT / "tests" / "benchmarks" / "README.md",
    WATCHER / "README.md",
]
MAP = (WATCHER / "README.md").read_text(encoding="utf-8")
ROWS = [row for row in MAP.splitlines() if re.match(r"\| .*\]\([a-z_/]+\.py\).* \| ", row)]


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to a document's headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?s)```.*?```", "", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document: Path) -> None:
    text = re.sub(r"(?s)```.*?```", "", document.read_text(encoding="utf-8"))
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 230


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_what_the_map_names_is_defined_in_its_file(row: str) -> None:
    files = re.findall(r"\]\(([a-z_/]+\.py)\)", row)
    code = "\n".join((WATCHER / file).read_text(encoding="utf-8") for file in files)
    for name in re.findall(r"`(\w+)`", row.split("|")[3] if row.count("|") > 3 else ""):
        assert re.search(rf"(?m)^\s*(?:(?:async )?def|class) {name}\b|^{name}\b", code), f"{name} is not in {files}"


def test_the_map_has_every_wing_in_the_order_of_the_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert "\n".join(layers) in MAP
    wings = {wing.strip() for layer in layers for wing in layer.split("|")}
    listed = set(re.findall(r"(?m)^\| \[`(\w+)(?:\.py)?`\]\(\w+(?:\.py)?\) \|", MAP))
    assert listed == wings
    modules = [path for path in WATCHER.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert wings == {path.stem for path in modules} - {"__init__", "__main__"}
