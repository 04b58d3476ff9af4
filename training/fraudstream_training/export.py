"""Writes models/<name>/{model.onnx, manifest.json, vectors.json}: the format is described in docs/model.md."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

MANIFEST_FORMAT = 1
VECTORS_FORMAT = 1
VECTORS = 48
HASH_DIGITS_IN_VERSION = 12


def write_model(
    out: Path, name: str, model: bytes, score_of: Callable[[np.ndarray], np.ndarray], manifest: dict, vector_rows: np.ndarray
) -> dict:
    """`manifest` without format_version, name, version and sha256; `score_of` gives what the processor must give, so after
    calibration. Returns the whole manifest."""
    out.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(model).hexdigest()
    whole = {
        "format_version": MANIFEST_FORMAT,
        "name": name,
        "version": f"{name}-{digest[:HASH_DIGITS_IN_VERSION]}",
        "sha256": digest,
        **manifest,
    }
    vectors = {
        "format_version": VECTORS_FORMAT,
        "sha256": digest,
        "features": manifest["features"],
        "vectors": [
            {
                "name": f"v{index:02d}",
                "inputs": [_json_number(value) for value in row],
                "output": float(score_of(row[None, :])[0]),
            }
            for index, row in enumerate(vector_rows)
        ],
    }
    (out / "model.onnx").write_bytes(model)
    (out / "manifest.json").write_text(_json(whole), encoding="utf-8")
    (out / "vectors.json").write_text(_vectors_json(vectors), encoding="utf-8")
    return whole


def pick_vectors(rows: np.ndarray, scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Rows spread over the range of scores, edge rows with missing values, and one row with nothing but missing values."""
    by_score = np.argsort(scores, kind="stable")
    spread = by_score[np.linspace(0, len(rows) - 1, VECTORS // 4).astype(np.int64)]
    # Most payments score near 0: take as many from the suspicious end.
    high = by_score[-1 - np.geomspace(1, len(rows) // 20 + 1, VECTORS // 4).astype(np.int64)]
    nothing = np.full((1, rows.shape[1]), np.nan, dtype=np.float32)
    rest = VECTORS - len(spread) - len(high) - 1
    return np.concatenate([rows[spread], rows[high], edges[:rest], nothing])


def _json_number(value: np.float32) -> float | None:
    """The float32 as a double, exactly; null = missing."""
    return None if math.isnan(value) else float(value)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _vectors_json(vectors: dict) -> str:
    """One vector a line: readable diffs."""
    head = ",\n".join(
        f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in vectors.items()
        if key != "vectors"
    )
    lines = ",\n".join("    " + json.dumps(vector, allow_nan=False) for vector in vectors["vectors"])
    return "{\n" + head + ',\n  "vectors": [\n' + lines + "\n  ]\n}\n"
