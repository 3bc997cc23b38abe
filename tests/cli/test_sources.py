"""Reading and replacing files, and finding them."""

import os
import stat
from pathlib import Path

import pytest

from tf_estimator.cli.migration import sources


@pytest.mark.parametrize(
    ("data", "text", "encoding"),
    [
        (b"x = 1\r\n", "x = 1\r\n", "utf-8"),
        (b"\xef\xbb\xbfx = '\xc3\xa9'\n", "x = 'é'\n", "utf-8"),
        (b"# -*- coding: latin-1 -*-\n'\xe9'\n", "# -*- coding: latin-1 -*-\n'é'\n", "iso-8859-1"),
    ],
)
def test_a_file_is_read_and_written_in_its_encoding(
    tmp_path: Path, data: bytes, text: str, encoding: str
) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(data)
    source = sources.read(path)
    assert (source.text, source.encoding) == (text, encoding)
    sources.replace(source, source.text)
    assert path.read_bytes() == data


@pytest.mark.parametrize("data", [b"\xe9 = 1\n", b"# coding: klingon\n"])
def test_a_file_that_is_no_text(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(data)
    with pytest.raises(sources.SourceError, match="not text in its encoding"):
        sources.read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(sources.SourceError, match="No such file"):
        sources.read(tmp_path / "x.py")


def test_a_replaced_file_keeps_its_permissions_and_links(tmp_path: Path) -> None:
    path, link = tmp_path / "x.py", tmp_path / "link.py"
    path.write_text("x = 1\n")
    path.chmod(0o751)
    link.symlink_to(path)
    sources.replace(sources.read(link), "x = 2\n")
    assert link.is_symlink()
    assert path.read_text() == "x = 2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o751
    assert sorted(os.listdir(tmp_path)) == ["link.py", "x.py"]


@pytest.mark.parametrize(
    ("text", "message"), [("x = 2\n", "changed while it was read"), ("'\udcff'", "not written")]
)
def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.py"
    path.write_text("x = 1\n")
    source = sources.read(path)
    path.write_text("x = 3\n")
    with pytest.raises(sources.SourceError, match=message):
        sources.replace(source, text)
    assert path.read_text() == "x = 3\n"
    assert os.listdir(tmp_path) == ["x.py"]


def test_files_in_a_folder(tmp_path: Path) -> None:
    for name in (
        *("b.py", "a.py", "n.ipynb", "x.txt", "inner/c.py", ".hidden/d.py", "__pycache__/e.py"),
        *("env/pyvenv.cfg", "env/f.py", "lib/site-packages/g.py"),
    ):
        tmp_path.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath(name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in sources.files_in(tmp_path)]
    assert found == ["a.py", "b.py", "n.ipynb", "inner/c.py"]
    assert list(sources.files_in(tmp_path / "x.txt")) == [tmp_path / "x.txt"]
