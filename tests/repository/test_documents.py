"""What the documents show exists: links, excerpts, configs, commands."""

import re
from pathlib import Path

import pytest

from dlrun.cli.main import make_app
from dlrun.config.document import parse_text
from dlrun.config.load import load_config
from dlrun.config.source import Source
from tests.cli.commands import command_names
from tests.repository.documents import DOCUMENTS, ROOT, blocks

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
COMMAND = re.compile(r"`dlrun ([a-z-]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_somewhere(document):
    folder = (ROOT / document).parent
    targets = LINK.findall((ROOT / document).read_text(encoding="utf-8"))
    assert [target for target in targets if not (folder / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_excerpts_are_what_the_code_says(document):
    for origin, text in blocks(document, "python"):
        assert origin is not None, f"a block of Python without its origin:\n{text}"
        assert text in (ROOT / origin).read_text(encoding="utf-8"), f"not in {origin}:\n{text}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_whole_configs_are_valid(document, tmp_path):
    for _, text in blocks(document, "yaml"):
        if re.search(r"^data:", text, re.MULTILINE) and re.search(r"^model:", text, re.MULTILINE):
            path = tmp_path / "config.yaml"
            path.write_text(text, encoding="utf-8")
            load_config(path)
        else:
            parse_text(Source(document.name, text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_commands_exist(document):
    known = set(command_names(make_app()))
    named = set(COMMAND.findall((ROOT / document).read_text(encoding="utf-8")))
    assert named <= known


def test_every_command_stands_in_the_readme():
    text = Path(ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in command_names(make_app()) if f"`{name}`" not in text and f"dlrun {name}" not in text] == []
