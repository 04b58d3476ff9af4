"""The folder that `fraudstream export-features` writes, and that every trainer reads.

features.f64   row-major little-endian float64, rows x features; NaN = missing
columns.json   {"features": [names], "rows": N, "catalogue_fingerprint": "...", "catalogue_version": 1}
rows.csv       input_offset,event_time,user_id,transaction_id,amount_minor,label,label_time
               times in ms since 1970; label 1, 0 or empty (unknown); label_time may be empty
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROWS_HEADER = [
    "input_offset",
    "event_time",
    "user_id",
    "transaction_id",
    "amount_minor",
    "label",
    "label_time",
]
LABEL_UNKNOWN = -1
# One chunk of the conversion float64 -> float32: bounds the memory beyond the result itself.
CHUNK_ROWS = 65_536


class FolderError(ValueError):
    """The folder is not what `export-features` writes. The message names the file and what is wrong."""


@dataclass(frozen=True)
class FeatureFolder:
    """Exported features in memory. Arrays have one entry per row, in input order."""

    path: Path
    feature_names: list[str]
    catalogue_fingerprint: str
    catalogue_version: int
    features: np.ndarray
    """rows x features, float32: what the model sees at run time; NaN = missing"""
    event_time_ms: np.ndarray
    """int64"""
    user_index: np.ndarray
    """int64 position in `user_ids`"""
    user_ids: list[str]
    amount_minor: np.ndarray
    """int64"""
    label: np.ndarray
    """int8: 1 fraud, 0 genuine, -1 unknown"""
    label_time_ms: np.ndarray
    """int64, -1 = none"""
    sha256: str
    """of the three files, in the order of the module's text"""

    @property
    def rows(self) -> int:
        return len(self.label)


def read_folder(path: Path) -> FeatureFolder:
    """Reads and checks the whole folder. Raises FolderError."""
    columns_path, matrix_path, rows_path = (
        path / "columns.json",
        path / "features.f64",
        path / "rows.csv",
    )
    for file in (matrix_path, columns_path, rows_path):
        if not file.is_file():
            raise FolderError(f"{file} is missing: write it with `fraudstream export-features`")
    columns = _read_columns(columns_path)
    names: list[str] = columns["features"]
    rows: int = columns["rows"]
    features = _read_matrix(matrix_path, rows, names)
    table = _read_rows(rows_path, rows)
    return FeatureFolder(
        path=path,
        feature_names=names,
        catalogue_fingerprint=str(columns["catalogue_fingerprint"]),
        catalogue_version=int(columns["catalogue_version"]),
        features=features,
        sha256=_sha256_of([matrix_path, columns_path, rows_path]),
        **table,
    )


def _read_columns(path: Path) -> dict:
    try:
        columns = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FolderError(f"{path} is not JSON: {error}") from error
    for key in ("features", "rows", "catalogue_fingerprint", "catalogue_version"):
        if not isinstance(columns, dict) or key not in columns:
            raise FolderError(f"{path} has no {key!r}")
    names = columns["features"]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
        raise FolderError(f"{path}: 'features' must be a list of names")
    if len(set(names)) != len(names):
        raise FolderError(f"{path}: 'features' names a feature twice")
    if not isinstance(columns["rows"], int) or columns["rows"] < 1:
        raise FolderError(f"{path}: 'rows' must be a positive number")
    return columns


def _read_matrix(path: Path, rows: int, names: list[str]) -> np.ndarray:
    expected = rows * len(names) * 8
    if path.stat().st_size != expected:
        raise FolderError(
            f"{path} has {path.stat().st_size} bytes; {rows} rows of {len(names)} features need {expected}"
        )
    mapped = np.memmap(path, dtype="<f8", mode="r", shape=(rows, len(names)))
    features = np.empty((rows, len(names)), dtype=np.float32)
    for start in range(0, rows, CHUNK_ROWS):
        with np.errstate(over="ignore"):
            features[start : start + CHUNK_ROWS] = mapped[start : start + CHUNK_ROWS]
        infinite = np.isinf(features[start : start + CHUNK_ROWS])
        if infinite.any():
            row, column = np.argwhere(infinite)[0]
            raise FolderError(
                f"{path}: feature {names[column]!r} of row {start + row} is infinite or beyond float32"
            )
    return features


def _read_rows(path: Path, rows: int) -> dict:
    event_time = np.empty(rows, dtype=np.int64)
    user_index = np.empty(rows, dtype=np.int64)
    amount = np.empty(rows, dtype=np.int64)
    label = np.full(rows, LABEL_UNKNOWN, dtype=np.int8)
    label_time = np.full(rows, -1, dtype=np.int64)
    users: dict[str, int] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        header = next(reader, None)
        if header != ROWS_HEADER:
            raise FolderError(f"{path}: the header must be {','.join(ROWS_HEADER)}")
        count = 0
        for record in reader:
            if count == rows:
                raise FolderError(f"{path} has more rows than columns.json says ({rows})")
            try:
                _, time, user, _, money, mark, mark_time = record
                event_time[count] = int(time)
                amount[count] = int(money)
                if mark != "":
                    if mark not in ("0", "1"):
                        raise ValueError("label must be 0, 1 or empty")
                    label[count] = int(mark)
                if mark_time != "":
                    label_time[count] = int(mark_time)
            except ValueError as error:
                raise FolderError(f"{path}, line {reader.line_num}: {error}") from error
            user_index[count] = users.setdefault(user, len(users))
            count += 1
    if count != rows:
        raise FolderError(f"{path} has {count} rows, columns.json says {rows}")
    return {
        "event_time_ms": event_time,
        "user_index": user_index,
        "user_ids": list(users),
        "amount_minor": amount,
        "label": label,
        "label_time_ms": label_time,
    }


def _sha256_of(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
