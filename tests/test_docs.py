"""The documents against the code: links, files, names, commands, settings and the table of results."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
import write_results
from optimizer_section import optimizer_section

import omsn
from omsn.cli import app
from omsn.data.splits import PROTOCOLS
from omsn.recipes import load_config, recipe_names
from omsn.report.run import parse_metrics
from omsn.training.metrics import confusion_matrix
from omsn.training.out_of_fold import read_predictions

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = ROOT / "README.md"
NAMING_FILES = [ROOT / "docs" / name for name in ("paper.md", "architecture.md", "adding-a-corpus.md")]
NAMING_FILES += [ROOT / "docs" / name for name in ("adding-a-fusion.md", "decisions.md", "data.md")]
FOLDERS = ("omsn", "tests", "scripts", "docs")

RUNS = ROOT / "docs" / "runs"
BY_ITSELF = sorted(RUNS.glob(f"*{write_results.BY_ITSELF_SUFFIX}"))
RECORDED_PREDICTIONS = sorted({*RUNS.glob(f"*{write_results.PREDICTIONS_SUFFIX}")} - {*BY_ITSELF})

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED_IN = re.compile(r"`(omsn/[\w/]+\.py)` \(((?:`[\w.]+`(?:, )?)+)\)")


def document_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def anchors_of(path: Path) -> set[str]:
    """What GitHub makes of the headings: small letters, no punctuation, dashes for spaces."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_in(path: Path) -> Iterator[list[str]]:
    """The arguments of every ``omsn`` command that stands on a line of its own."""
    for line in text_of(path).splitlines():
        words = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
        if words.startswith("omsn ") and (line.startswith("    ") or line.lstrip("$ ").startswith((".venv", "omsn"))):
            yield shlex.split(words, comments=True)[1:]


ALL_COMMANDS = [arguments for path in DOCUMENTS for arguments in commands_in(path)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=document_id)
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(text_of(path)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        assert "://" not in target
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors_of(linked), target


@pytest.mark.parametrize("path", NAMING_FILES, ids=document_id)
def test_files_named_exist(path: Path) -> None:
    named = [code for code in CODE.findall(text_of(path)) if code.split("/")[0] in FOLDERS and "/" in code]
    assert [code for code in named if "NAME" not in code and not (ROOT / code).exists()] == []


@pytest.mark.parametrize("path", NAMING_FILES, ids=document_id)
def test_names_said_to_be_in_a_file_are_in_it(path: Path) -> None:
    for file, names in NAMED_IN.findall(text_of(path)):
        for name in re.findall(r"[\w.]+", names):
            for part in name.split("."):
                assert re.search(rf"\b(class|def) {part}\b|^ *{part}\b.*[:=]", text_of(ROOT / file), re.MULTILINE), name


def test_the_paper_page_names_every_stage_of_the_network_and_the_preprocessing() -> None:
    page = text_of(ROOT / "docs" / "paper.md")
    stages = [*(ROOT / "omsn" / "models").glob("[a-z]*.py"), *(ROOT / "omsn" / "preprocess").glob("[a-z]*.py")]
    elsewhere = {
        "batch.py",
        "checkpoint.py",
        "transfer.py",
        "known_speakers.py",
        "lame.py",
        "fisher.py",
        "pooling.py",
        "statistics.py",
        "wccn.py",
        "face_net.py",
    }  # not the paper's
    assert [file.name for file in stages if file.name not in elsewhere and document_id(file) not in page] == []


def test_the_architecture_page_has_every_layer_and_type() -> None:
    page = text_of(ROOT / "docs" / "architecture.md")
    parts = [item for item in (ROOT / "omsn").iterdir() if not item.name.startswith("_") and item.name != "py.typed"]
    assert [item.name for item in parts if f"`omsn/{item.name}{'/' * item.is_dir()}`" not in page] == []
    tree = ast.parse(text_of(ROOT / "omsn" / "types.py"))
    assert [node.name for node in tree.body if isinstance(node, ast.ClassDef) and f"`{node.name}`" not in page] == []


@pytest.mark.parametrize("arguments", ALL_COMMANDS, ids=" ".join)
def test_commands_parse_and_their_settings_exist(arguments: list[str]) -> None:
    name, *rest = [word.replace("NAME", "mpdrf") for word in arguments]
    values = COMMANDS[name].make_context(name, rest).params
    if "settings" in values:
        load_config(values["recipe"], values["settings"] or ())
    assert values.get("protocol", "loso") in PROTOCOLS


def test_readme_shows_every_command_and_recipe() -> None:
    assert {arguments[0] for arguments in commands_in(README)} == set(COMMANDS)
    words = set(re.findall(r"[\w-]+", text_of(README)))
    assert [name for name in recipe_names() if name not in words] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=document_id)
def test_commands_and_targets_named_in_passing_exist(path: Path) -> None:
    text = text_of(path)
    assert set(re.findall(r"`omsn ([a-z]+)", text)) <= set(COMMANDS)
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)[`\s]", "\n".join(CODE.findall(text)) + "\n")) <= targets
    for setting in re.findall(r"`--set ([^`]+)`", text):
        load_config("default", [setting])


def test_python_in_the_readme_compiles_and_imports_what_exists() -> None:
    examples = [code for language, code in FENCE.findall(text_of(README)) if language == "python"]
    assert examples
    for example in examples:
        imports = [node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.ImportFrom)]
        names = [(str(node.module), alias.name) for node in imports for alias in node.names]
        assert [name for module, name in names if not hasattr(import_module(module), name)] == []


def test_the_readme_s_study_comes_near_its_optimum(capsys: pytest.CaptureFixture[str]) -> None:
    examples = [code for language, code in FENCE.findall(text_of(README)) if language == "python"]
    (study,) = [code for code in examples if "GazelleSampler" in code]
    exec(compile(study, "README.md", "exec"), {})
    assert abs(ast.literal_eval(capsys.readouterr().out)["x"]) < 0.1


def test_results_are_those_that_the_program_writes() -> None:
    runs, readme = write_results.read_recorded(ROOT / "docs" / "runs"), text_of(README)
    assert write_results.put_between_markers(readme, write_results.readme_table(runs)) == readme
    assert text_of(ROOT / "docs" / "results.md") == write_results.results_page(runs, optimizer_section(ROOT))


def test_the_first_screen_has_one_sentence_one_picture_one_example_one_table() -> None:
    before, _, _ = text_of(README).partition("<!-- results -->")
    assert before.count("![") == 1
    assert before.count("```") == 2
    assert len(before.splitlines()) <= 20


@pytest.mark.parametrize("path", RECORDED_PREDICTIONS, ids=document_id)
def test_recorded_predictions_are_those_that_the_recorded_scores_are_of(path: Path) -> None:
    said = read_predictions(path)
    metrics = path.with_name(path.name.removesuffix(write_results.PREDICTIONS_SUFFIX) + ".json")
    recorded = parse_metrics(json.loads(text_of(metrics)), str(metrics))
    counted = confusion_matrix(said.truth, said.probabilities)
    assert counted.tolist() == [list(row) for row in recorded.scores.confusion]


@pytest.mark.parametrize("path", BY_ITSELF, ids=document_id)
def test_what_is_recorded_of_each_clip_by_itself_is_what_the_recorded_scores_are_of(path: Path) -> None:
    said = read_predictions(path)
    metrics = path.with_name(path.name.removesuffix(write_results.BY_ITSELF_SUFFIX) + ".json")
    recorded = parse_metrics(json.loads(text_of(metrics)), str(metrics)).by_itself
    assert recorded is not None
    assert recorded.scores.war.pooled == pytest.approx(float((said.predicted == said.truth).mean()), abs=1e-9)


def test_versions_agree() -> None:
    assert f"\nversion: {omsn.__version__}\n" in text_of(ROOT / "CITATION.cff")
    assert f"## [{omsn.__version__}]" in text_of(ROOT / "CHANGELOG.md")


def test_the_picture_is_valid_and_knows_dark_pages() -> None:
    picture = text_of(ROOT / "docs" / "flow.svg")
    root = ElementTree.fromstring(picture)
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert "prefers-color-scheme: dark" in picture
