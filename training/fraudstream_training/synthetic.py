"""A feature folder out of nothing but a seed: for tests, and for the small model that the tests of the scorer use."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from .folder import ROWS_HEADER

START_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z"""
DAY_MS = 86_400_000


def write_synthetic(
    out: Path, rows: int = 20_000, features: int = 40, users: int = 500, days: int = 30, seed: int = 1
) -> None:
    """Counts, amounts, ratios and flags; some features miss values; about 2 % fraud that depends on several of them."""
    random = np.random.default_rng(seed)
    matrix = np.empty((rows, features), dtype=np.float64)
    for column in range(features):
        kind = column % 4
        if kind == 0:
            matrix[:, column] = random.poisson(1 + column % 7, rows)
        elif kind == 1:
            matrix[:, column] = np.round(random.lognormal(8, 1.2, rows))
        elif kind == 2:
            matrix[:, column] = random.normal(0, 1, rows)
            matrix[random.random(rows) < 0.15, column] = np.nan
        else:
            matrix[:, column] = random.random(rows) < 0.2
    known = np.nan_to_num(matrix[:, :8], nan=1.5)
    risk = (
        1.2 * (known[:, 0] > 2)
        + 1.1 * (np.log(known[:, 1]) - 8)
        + 1.3 * known[:, 2]
        + 1.5 * known[:, 3]
        + 0.8 * (known[:, 4] > 6) * known[:, 7]
        + random.normal(0, 0.6, rows)
    )
    label = risk > np.quantile(risk, 0.98)
    time = np.sort(random.integers(START_MS, START_MS + days * DAY_MS, rows))
    user = random.integers(0, users, rows)
    out.mkdir(parents=True, exist_ok=True)
    matrix.astype("<f8").tofile(out / "features.f64")
    columns = {
        "features": [f"f{column:02d}" for column in range(features)],
        "rows": rows,
        "catalogue_fingerprint": "synthetic",
        "catalogue_version": 1,
    }
    (out / "columns.json").write_text(json.dumps(columns), encoding="utf-8")
    with (out / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ROWS_HEADER)
        for row in range(rows):
            mark = "" if row % 97 == 0 else int(label[row])
            writer.writerow(
                [row, time[row], f"u{user[row]}", f"t{row}", int(matrix[row, 1]), mark, time[row] + DAY_MS]
            )
