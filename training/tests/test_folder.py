from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fraudstream_training.folder import FolderError, read_folder


def test_reads_what_was_written(exported: Path) -> None:
    folder = read_folder(exported)
    assert folder.features.shape == (12_000, 12)
    assert folder.features.dtype == np.float32
    written = np.fromfile(exported / "features.f64", dtype="<f8").reshape(12_000, 12)
    np.testing.assert_array_equal(folder.features, written.astype(np.float32))
    assert np.isnan(folder.features[:, 2]).any()
    assert set(np.unique(folder.label)) == {-1, 0, 1}
    assert (folder.label[::97] == -1).all()
    first = (exported / "rows.csv").read_text().splitlines()[1].split(",")
    assert folder.event_time_ms[0] == int(first[1])
    assert folder.user_ids[folder.user_index[0]] == first[2]
    assert folder.amount_minor[0] == int(first[4])
    assert folder.label_time_ms[0] == int(first[6])
    assert len(folder.sha256) == 64


def test_reads_quoted_ids(copied: Path) -> None:
    lines = (copied / "rows.csv").read_text().splitlines()
    lines[1] = '0,1735689600000,"a,""b""\n c",t0,100,1,'
    (copied / "rows.csv").write_text("\n".join(lines) + "\n")
    folder = read_folder(copied)
    assert folder.user_ids[0] == 'a,"b"\n c'
    assert folder.label[0] == 1
    assert folder.label_time_ms[0] == -1


def edit_columns(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        columns = json.loads((folder / "columns.json").read_text())
        change(columns)
        (folder / "columns.json").write_text(json.dumps(columns))

    return apply


def edit_line(line: int, text: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        lines = (folder / "rows.csv").read_text().splitlines()
        lines[line] = text
        (folder / "rows.csv").write_text("\n".join(lines) + "\n")

    return apply


def put_infinity(folder: Path) -> None:
    matrix = np.memmap(folder / "features.f64", dtype="<f8", mode="r+", shape=(12_000, 12))
    matrix[7, 3] = 1e39
    matrix.flush()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "features.f64").unlink(), "features.f64 is missing"),
        (lambda folder: (folder / "columns.json").write_text("{"), "is not JSON"),
        (edit_columns(lambda c: c.pop("rows")), "no 'rows'"),
        (edit_columns(lambda c: c.update(features=["a"] * 12)), "twice"),
        (edit_columns(lambda c: c.update(features=[])), "list of names"),
        (edit_columns(lambda c: c.update(rows=0)), "positive"),
        (edit_columns(lambda c: c.update(rows=11_999)), "need 1151904"),
        (put_infinity, "feature 'f03' of row 7 is infinite"),
        (edit_line(0, "a,b"), "header"),
        (edit_line(5, "4,x,u,t,1,0,"), "line 6"),
        (edit_line(5, "4,1,u,t,1,yes,"), "label must be"),
        (edit_line(5, "4,1,u"), "line 6"),
        (edit_line(12_000, ""), "has 11999 rows|line 12001"),
        (edit_line(12_000, "1,1,u,t,1,0,\n2,1,u,t,1,0,"), "more rows"),
    ],
)
def test_names_what_is_wrong(copied: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(copied)
    with pytest.raises(FolderError, match=words):
        read_folder(copied)
