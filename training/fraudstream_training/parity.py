"""Does the exported model say what the trained one says? Also where it hurts: missing values and split edges."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort

from .kinds import Fitted
from .trees import INPUT_NAME, OUTPUT_NAME

DIFFERENCE_MAX = 1e-6
LIGHTGBM_ZERO = np.float32(1e-35)
FINITE = (np.finfo(np.float32).min, np.finfo(np.float32).max)
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


def edge_rows(edges: dict[int, np.ndarray], rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Real rows in which values are replaced: by a split's threshold or its float32 neighbours, by zeros, by NaN."""
    random = np.random.default_rng(seed)
    picked = rows[random.integers(0, len(rows), size=count)].copy()
    for feature, values in sorted(edges.items()):
        chosen = random.choice(values, size=count)
        step = random.integers(-1, 2, size=count)
        toward = np.where(step < 0, -np.inf, np.inf).astype(np.float32)
        near = np.where(step == 0, chosen, np.nextafter(chosen, toward))
        # LightGBM takes anything this close to zero for zero when it predicts.
        near[np.abs(near) <= LIGHTGBM_ZERO] = 0.0
        # A split of missing against known has its threshold at infinity; no feature is infinite.
        near = np.clip(near, *FINITE)
        mask = random.random(count) < 0.5
        picked[mask, feature] = near[mask]
    kind = random.random(picked.shape)
    picked[kind < 0.10] = np.nan
    picked[(kind >= 0.10) & (kind < 0.13)] = 0.0
    picked[-1] = np.nan
    return picked


def check_parity(
    fitted: Fitted, session: ort.InferenceSession, rows: np.ndarray, count: int, seed: int
) -> dict[str, float | int]:
    """Compares `count` real rows and `count` edge rows. Raises ParityError beyond 1e-6."""
    random = np.random.default_rng(seed)
    real = rows[random.integers(0, len(rows), size=count)]
    tested = np.concatenate([real, edge_rows(fitted.edges, rows, count, seed + 1)])
    expected = fitted.predict(tested)
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

