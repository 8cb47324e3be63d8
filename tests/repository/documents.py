"""The repository's documents, as the tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for folder, pattern in ((".", "*.md"), ("docs", "**/*.md"), ("runs", "README.md"), ("datasets", "README.md"))
    for path in (ROOT / folder).glob(pattern)
)
BLOCK = re.compile(
    r"^(?:<!-- from (?P<origin>\S+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def blocks(document, language):
    """Yield (origin, text) of a document's blocks of code in a language."""
    for match in BLOCK.finditer((ROOT / document).read_text(encoding="utf-8")):
        if match["language"] == language:
            yield match["origin"], match["text"]
