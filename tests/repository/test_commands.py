"""CI runs the README's own commands, and the packaging takes everything along."""

import os
import re
import subprocess
import sys
import tomllib

import pytest

import dlrun
from tests.repository.documents import ROOT, blocks

CI = ROOT / ".ci" / "run"
COMMANDS = [text.strip() for _, text in blocks("README.md", "sh")]


def test_the_readme_has_the_two_commands():
    train, test = COMMANDS
    assert train.endswith(".venv/bin/dlrun train configs/mnist_cnn.yaml")
    assert test.endswith(".venv/bin/python -m pytest -n auto --dist loadfile")
    for command in COMMANDS:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -e ")


def test_ci_runs_the_readmes_test_command():
    assert COMMANDS[1] in CI.read_text(encoding="utf-8").splitlines()
    assert os.access(CI, os.X_OK)


def test_ci_is_a_bash_script_without_mistakes_of_syntax():
    if os.name != "posix":
        pytest.skip("needs bash")
    subprocess.run(["bash", "-n", str(CI)], check=True)


def test_the_commands_extras_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [group for command in COMMANDS for group in re.findall(r"\.\[([\w,-]+)\]", command)]
    named = {extra for group in groups for extra in group.split(",")}
    assert named == {"all", "test"} <= set(project["optional-dependencies"])
    assert project["version"] == dlrun.__version__


def test_every_folder_of_modules_is_a_package():
    folders = {path.parent for path in (ROOT / "dlrun").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


VERSION_AND_HEAVY_MODULES = """
import runpy, sys
sys.argv = ["dlrun", "--version"]
try:
    runpy.run_module("dlrun", run_name="__main__")
except SystemExit as end:
    print(end.code, sorted({"numba", "polars", "matplotlib", "numpy"} & set(sys.modules)))
"""


def test_python_m_dlrun_is_the_command_and_answers_without_numba():
    command = [sys.executable, "-c", VERSION_AND_HEAVY_MODULES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == f"dlrun {dlrun.__version__}\n0 []\n"
