"""The examples in the documents work as they stand."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mixpanel_wh.config import load_project

ROOT = Path(__file__).parents[1]
SECRETS = {"MIXPANEL_TOKEN": "token", "MIXPANEL_SERVICE_ACCOUNT": "account", "MIXPANEL_SERVICE_SECRET": "secret"}


def examples(language: str, containing: str) -> list[Any]:
    """Every code block of a language that holds a text, in the order of the files."""
    files = [ROOT / "README.md", *sorted((ROOT / "mixpanel_wh" / "docs" / "guides").glob("*.md"))]
    blocks = [(path, block) for path in files for block in re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.S)]
    return [pytest.param(block, id=f"{path.stem}-{n}") for n, (path, block) in enumerate(blocks) if containing in block]


@pytest.mark.parametrize("text", examples("yaml", "version: 1"))
def test_every_project_file_in_the_documents_loads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    assert load_project(path, SECRETS).names


@pytest.mark.parametrize("code", examples("python", "dg.Definitions"))
def test_every_piece_of_python_in_the_documents_makes_definitions(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for name in ("shop.yaml", "mixpanel_wh.yaml"):
        (tmp_path / name).write_text(examples("yaml", "version: 1")[0].values[0])
    names: dict[str, Any] = {"__name__": "example", "my_definitions": dg.Definitions()}
    exec(code, names)
    assert list(names["defs"].resolve_all_asset_specs())
