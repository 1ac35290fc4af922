"""README.md and docs/ name only files, anchors, commands, options and targets that exist."""

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from skipcast.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README_LINES = 180

LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(
    r"(?<![\w/.-])((?:src|docs|tests|benchmarks|deploy|tools)/[\w./-]*\w|\.ci/\w+|(?:\w+/)+\w+\.py)\b"
)
FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")


def code_of(text: str) -> Iterator[str]:
    """Yield each line of the fenced blocks and each piece of inline code, without its comment."""
    for block in FENCE.findall(text):
        yield from (line.partition("  #")[0].strip() for line in block.splitlines())
    yield from CODE.findall(FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Return the relative links of a page whose file or heading does not exist."""
    broken = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            broken.append(link)
    return broken


def commands() -> TyperGroup:
    """Return the commands of `skipcast`."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def broken_command(line: str, group: TyperGroup) -> str | None:
    """Return what is wrong with a line that calls skipcast; None if nothing is."""
    words = [word for word in shlex.split(line)[1:] if word != "&"]
    if not words or words == ["--help"]:
        return None
    command = group.commands.get(words[0])
    if command is None:
        return f"no command {words[0]}"
    known = {"--help"}.union(*(param.opts for param in command.params))
    unknown = [word for word in words[1:] if word.startswith("-") and word not in known]
    return f"{words[0]} has no option {', '.join(unknown)}" if unknown else None


def make_targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


page_by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= README_LINES


@page_by_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    assert broken_links(page) == []


@page_by_page
def test_named_paths_exist(page: Path) -> None:
    text = LINK.sub("", page.read_text(encoding="utf-8"))
    roots = (ROOT, ROOT / "src/skipcast")
    missing = [
        path
        for path in PATH.findall(text)
        if "NAME" not in path and not any((root / path).exists() for root in roots)
    ]
    assert missing == []


@page_by_page
def test_named_modules_exist(page: Path) -> None:
    modules = re.findall(r"python -m (skipcast[\w.]*)", page.read_text(encoding="utf-8"))
    assert [module for module in modules if find_spec(module) is None] == []


@page_by_page
def test_commands_have_the_options_that_are_shown(page: Path) -> None:
    lines = [line for line in code_of(page.read_text("utf-8")) if line.startswith("skipcast ")]
    faults = [broken_command(line, commands()) for line in lines]
    assert [fault for fault in faults if fault] == []


@page_by_page
def test_make_has_the_targets_that_are_shown(page: Path) -> None:
    targets = make_targets()
    missing = [
        word
        for line in code_of(page.read_text(encoding="utf-8"))
        if re.match(r"make( |$)", line)
        for word in line.split()[1:]
        if "=" not in word and word not in targets
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("skipcast serve --port 5011 &", None),
        ("skipcast sing", "no command sing"),
        ("skipcast serve --voice high", "serve has no option --voice"),
    ],
)
def test_a_wrong_command_is_noticed(line: str, fault: str | None) -> None:
    assert broken_command(line, commands()) == fault


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](page.md#one-two) [b](#one) [c](gone.md) [d](https://e.org/f)")
    assert broken_links(page) == ["#one", "gone.md"]
