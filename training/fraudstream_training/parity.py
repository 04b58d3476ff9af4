"""Does the exported model say what the trained one says? Also where it hurts: missing values and split edges."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import onnx
import onnxruntime as ort

from .lightgbm_onnx import INPUT_NAME, OUTPUT_NAME, float32_at_or_below

DIFFERENCE_MAX = 1e-6
LIGHTGBM_ZERO = np.float32(1e-35)
BATCH_ROWS = 8_192


class ParityError(RuntimeError):
    """The exported model differs from the trained one."""


def open_session(model: onnx.ModelProto | bytes) -> ort.InferenceSession:
    """One thread, as in production."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def score(session: ort.InferenceSession, rows: np.ndarray) -> np.ndarray:
    """float32 scores of float32 rows."""
    out = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), BATCH_ROWS):
        part = rows[start : start + BATCH_ROWS]
        out[start : start + len(part)] = session.run([OUTPUT_NAME], {INPUT_NAME: part})[0][:, 0]
    return out


def edge_rows(booster: lgb.Booster, rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Real rows in which values are replaced: by a split's threshold as float32 or its neighbours, by zeros, by NaN."""
    random = np.random.default_rng(seed)
    picked = rows[random.integers(0, len(rows), size=count)].copy()
    thresholds = _thresholds(booster)
    for feature, values in sorted(thresholds.items()):
        rounded = np.array([float32_at_or_below(value) for value in values], dtype=np.float32)
        chosen = random.choice(rounded, size=count)
        step = random.integers(-1, 2, size=count)
        toward = np.where(step < 0, -np.inf, np.inf).astype(np.float32)
        edges = np.where(step == 0, chosen, np.nextafter(chosen, toward))
        # LightGBM takes anything this close to zero for zero when it predicts.
        edges[np.abs(edges) <= LIGHTGBM_ZERO] = 0.0
        mask = random.random(count) < 0.5
        picked[mask, feature] = edges[mask]
    kind = random.random(picked.shape)
    picked[kind < 0.10] = np.nan
    picked[(kind >= 0.10) & (kind < 0.13)] = 0.0
    picked[-1] = np.nan
    return picked


def check_parity(
    booster: lgb.Booster, session: ort.InferenceSession, rows: np.ndarray, count: int, seed: int
) -> dict[str, float | int]:
    """Compares `count` real rows and `count` edge rows. Raises ParityError beyond 1e-6."""
    random = np.random.default_rng(seed)
    real = rows[random.integers(0, len(rows), size=count)]
    tested = np.concatenate([real, edge_rows(booster, rows, count, seed + 1)])
    expected = booster.predict(tested, num_threads=1)
    difference = np.abs(score(session, tested).astype(np.float64) - expected)
    worst = int(difference.argmax())
    if not difference[worst] <= DIFFERENCE_MAX:
        raise ParityError(
            f"row {worst} of {len(tested)}: trained {expected[worst]!r}, exported differs by {difference[worst]:.3g}"
        )
    return {
        "rows": len(tested),
        "rows_with_missing": int(np.isnan(tested).any(axis=1).sum()),
        "difference_max": float(f"{difference[worst]:.2e}"),
    }


def _thresholds(booster: lgb.Booster) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    stack = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while stack:
        node = stack.pop()
        if "leaf_value" not in node:
            found.setdefault(node["split_feature"], []).append(node["threshold"])
            stack.extend((node["left_child"], node["right_child"]))
    return found
