"""The house rules that a program can check: who imports whom, docstrings, names, sizes, addresses, links."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[1]
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
VAGUE = {"helper", "helpers", "util", "utils", "processor", "handler", "data", "info"}
TEXTS = {".py", ".md", ".yaml", ".yml", ".toml", ".cfg", ".html", ".sql", ""}
LOCAL = {"127.0.0.1", "localhost", "::1"}
SPOKEN_TO = ("mixpanel.com", "dagster.io", "duckdb.org", "w3.org", "json-schema.org", "example", "example.com",
             "invalid", "test", "googleapis.com", "amazonaws.com", "snowflakecomputing.com", "databricks.com",
             "azuredatabricks.net")  # fmt: skip


@cache
def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(folder: str) -> Iterator[tuple[Path, FUNCTION]]:
    for path in modules(folder):
        yield from ((path, node) for node in ast.walk(parsed(path)) if isinstance(node, FUNCTION))


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file of the checkout that a person wrote."""
    made = {"__pycache__", "build", "dist"}
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        hidden = inside[0].startswith(".") and inside[0] not in (".ci", ".gitignore")
        if path.is_file() and not hidden and not made & set(inside) and path.suffix in TEXTS:
            yield path.relative_to(ROOT), path.read_text()


def test_imports_point_down_only() -> None:
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command, "lint-imports is not installed: run  make test"
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("folder", ["mixpanel_wh", "mixpanel_wh_tests"])
def test_every_module_says_in_its_first_line_what_it_is_for(folder: str) -> None:
    silent = [path for path in modules(folder) if len((ast.get_docstring(parsed(path)) or "").split("\n")[0]) < 10]
    assert silent == []


def test_every_public_function_and_class_has_a_docstring() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in modules("mixpanel_wh")
        for node in ast.walk(parsed(path))
        if isinstance(node, FUNCTION | ast.ClassDef) and not node.name.startswith("_") and is_open(path, node)
        if not ast.get_docstring(node)
    ]
    assert silent == []


def is_open(path: Path, node: ast.AST) -> bool:
    """Whether the node stands at the top of a module or in a public class, not inside a function."""
    tree = parsed(path)
    public = [inner for inner in tree.body if isinstance(inner, ast.ClassDef) and not inner.name.startswith("_")]
    return node in tree.body or any(node in inner.body for inner in public)


def test_no_module_has_a_vague_name() -> None:
    assert [path for path in modules("mixpanel_wh") if VAGUE & set(path.stem.split("_"))] == []


def test_functions_are_small() -> None:
    lengths = sorted((node.end_lineno or 0) - node.lineno + 1 for _, node in functions("mixpanel_wh"))
    assert median(lengths) < 10
    assert sum(length > 30 for length in lengths) < len(lengths) / 50


def test_test_names_are_sentences() -> None:
    names = [node.name for _, node in functions("mixpanel_wh_tests") if node.name.startswith("test_")]
    assert [name for name in names if name.count("_") < 3] == []


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    machine = re.compile(r"(?<![\w.])/(home|root|Users|work)/\w")
    assert [f"{path}: {found.group()}" for path, text in texts() for found in machine.finditer(text)] == []


def test_addresses_are_of_this_machine_or_of_the_systems_that_the_project_speaks_to() -> None:
    addresses = re.compile(r"https?://[^\s\"'`)<>\\]+")
    strange = {f"{path}: {one}" for path, text in texts() for one in addresses.findall(text) if not is_known(one)}
    assert strange == set()


def is_known(address: str) -> bool:
    """Whether its host is named above; an address put together at run time, or one that is none, has no host."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return True
    return "{" in address or host in LOCAL or any(host == one or host.endswith(f".{one}") for one in SPOKEN_TO)


def test_links_in_the_documents_lead_somewhere() -> None:
    links = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
    broken = [
        f"{path}: {link}"
        for path, text in texts()
        if path.suffix == ".md"
        for link in links.findall(text)
        if not (ROOT / path).parent.joinpath(link).exists()
    ]
    assert broken == []


def test_what_the_code_imports_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [wanted for group in project["optional-dependencies"].values() for wanted in group]
    declared = {re.split(r"[^\w-]", wanted)[0].lower() for wanted in [*project["dependencies"], *extras]}
    assert {name for name in imported() if name in NAMES and not declared & set(NAMES[name])} == set()


NAMES = {name: [one.lower().replace("_", "-") for one in found] for name, found in packages_distributions().items()}


def imported() -> set[str]:
    """The first part of every module that the package imports, its own and the standard library left out."""
    found: set[str] = set()
    for path in modules("mixpanel_wh"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"mixpanel_wh"}
