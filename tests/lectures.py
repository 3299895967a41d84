"""What a lecture defines, for its tests: the code under test is the one that students read."""

from pathlib import Path

import nbformat

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


def models(name, **known):
    """Names that the lecture's cells tagged "model" define, its preamble apart.  known: what they use from cells that aren't run."""
    for cell in nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells:
        if "model" in cell.metadata.get("tags", []) and cell.id != "preamble":
            exec(compile(cell.source, cell.id, "exec"), known)
    return known
