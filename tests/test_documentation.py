"""The Python blocks of README.md and docs/*.md run, and docstring examples give what they say.

The blocks of one file share their names, run in order, and work in a temporary folder. One that is
run alone has those above it run first. Blocks in other languages (```console, ```text) are not run.
"""

import doctest
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PAGES = [path for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))) if path.exists()]

# A fence of three or more backticks or tildes, the language, and all up to the same fence again.
FENCED = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w-]*)[^\n]*\n"
    r"(?P<code>.*?)^ *(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A block of Python, and the line of the file that it starts on."""

    line: int
    code: str


def python_blocks(text: str) -> Iterator[Block]:
    """The ```python blocks of a Markdown text in order; one in a list loses the list's indent."""
    for found in FENCED.finditer(text):
        if found["language"] in ("python", "py"):
            code = re.sub(rf"^{found['indent']}", "", found["code"], flags=re.MULTILINE)
            yield Block(text.count("\n", 0, found.start("code")) + 1, code)


class Page:
    """The blocks of one file on their way down: what they have defined, and which is next."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.blocks = list(python_blocks(path.read_text(encoding="utf-8")))
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.next = 0

    def run_to(self, last: int) -> None:
        """Runs the blocks up to and with number `last`, but none a second time."""
        while self.next <= last:
            block = self.blocks[self.next]
            self.next += 1
            # Empty lines in front make the line numbers in a traceback those of the file.
            source = "\n" * (block.line - 1) + block.code
            exec(compile(source, str(self.path), "exec"), self.names)


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The Page of a path, one for the whole run."""
    return cache(lambda path: Page(path, tmp_path_factory.mktemp(path.stem)))


BLOCKS = [
    pytest.param(path, number, id=f"{path.relative_to(ROOT).as_posix()}:{block.line}")
    for path in PAGES
    for number, block in enumerate(python_blocks(path.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize(("path", "number"), BLOCKS)
def test_block_runs(path: Path, number: int, page_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = page_of(path)
    monkeypatch.chdir(page.folder)
    page.run_to(number)


def _modules_with_examples() -> list[str]:
    """Their names, found without an import: one broken module must not stop all tests."""
    files = sorted(SOURCE.joinpath("tf_estimator").rglob("*.py"))
    with_examples = [path for path in files if ">>> " in path.read_text(encoding="utf-8")]
    names = [path.relative_to(SOURCE).with_suffix("").parts for path in with_examples]
    return [".".join(parts).removesuffix(".__init__") for parts in names]


def _failures(example: doctest.DocTest) -> str:
    """What went wrong in the examples of one docstring, "" if nothing did."""
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False
    )
    report: list[str] = []
    runner.run(example, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("module", _modules_with_examples())
def test_docstring_examples_give_what_they_say(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = doctest.DocTestFinder().find(importlib.import_module(module))
    report = "".join(map(_failures, examples))
    if report:
        pytest.fail(report, pytrace=False)


@pytest.mark.parametrize(("shown", "is_right"), [("3", True), ("4", False), ("<...>", False)])
def test_a_wrong_example_is_found(shown: str, is_right: bool) -> None:
    text = f">>> a = 1\n>>> a + 2\n{shown}\n"
    example = doctest.DocTestParser().get_doctest(text, {}, "example", None, None)
    assert (_failures(example) == "") is is_right


def test_blocks_are_found_with_their_lines() -> None:
    text = """Text
```python
a = 1
```
```console
$ ls
```
- in a list
  ```python
  if a:
      b = 2
  ```
````python
s = '''
```python
'''
````
~~~py
c = 3
~~~
"""
    assert list(python_blocks(text)) == [
        Block(3, "a = 1\n"),
        Block(10, "if a:\n    b = 2\n"),
        Block(14, "s = '''\n```python\n'''\n"),
        Block(19, "c = 3\n"),
    ]


def test_blocks_share_names_and_run_once(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("```python\nn = [1]\n```\n\n```python\nn.append(2)\n```\n")
    page = Page(path, tmp_path)
    page.run_to(1)
    page.run_to(1)
    assert page.names["n"] == [1, 2]


def test_an_error_names_the_line_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("Text\n\n```python\nfine = 1\nraise KeyError\n```\n")
    with pytest.raises(KeyError) as caught:
        Page(path, tmp_path).run_to(0)
    assert caught.traceback[-1].lineno + 1 == 5
