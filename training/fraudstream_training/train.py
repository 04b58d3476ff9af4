"""Features in, model folder out. Deterministic: the same folder and options give the same bytes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import numpy as np

from .calibration import NO_CALIBRATION, Calibration, fit_calibration
from .export import pick_vectors, write_model
from .folder import FeatureFolder, read_folder
from .kinds import FitOptions, Fitted, Sample, fit
from .metrics import evaluate
from .parity import check_parity, edge_rows, open_session, score
from .split import DAY_MS, Split, SplitOptions, Windows, split_by_windows, split_rows, with_mature_labels
from .targets import Target, choose
from .trees import INPUT_NAME, OUTPUT_NAME

LIBRARIES = {"lightgbm": "lightgbm", "xgboost": "xgboost-cpu", "logistic": "scikit-learn", "forest": "scikit-learn"}
PARITY_ROWS = 10_000
PARTS = ("validation", "later_days", "unseen_users", "unseen_users_later")


@dataclass(frozen=True)
class TrainOptions:
    features: Path
    out: Path
    name: str
    description: str
    kind: str = "lightgbm"
    fit: FitOptions = field(default_factory=FitOptions)
    calibration: str = "isotonic"
    flag: Target = Target("fpr", 0.005)
    block: Target = Target("fpr", 0.001)
    unlabelled_genuine_after_days: float | None = None
    """None: rows without a label are left out"""
    split: SplitOptions = field(default_factory=SplitOptions)
    windows: Windows | None = None
    """instead of `split`"""


def train(options: TrainOptions, log: TextIO = sys.stderr) -> dict:
    """Trains, checks, writes the model folder and returns the manifest.

    Raises FolderError, SplitError, ParameterError, ConversionError, ParityError, CalibrationError, TargetError.
    """
    folder = read_folder(options.features)
    if options.unlabelled_genuine_after_days is not None:
        folder = with_mature_labels(folder, options.unlabelled_genuine_after_days)
    split = split_by_windows(folder, options.windows) if options.windows else split_rows(folder, options.split)
    _say(log, f"{folder.rows} rows, {len(folder.feature_names)} features, {len(folder.user_ids)} users")
    for part in ("train", *PARTS):
        rows = getattr(split, part)
        _say(log, f"  {part}: {len(rows)} rows, {int((folder.label[rows] == 1).sum())} frauds")
    # Without validation rows there is nothing later to calibrate on; thresholds then come from the training rows.
    validated = len(split.validation) > 0
    chosen_on = split.validation if validated else split.train
    fitted = fit(
        options.kind,
        _sample(folder, split.train),
        _sample(folder, split.validation) if validated else None,
        folder.feature_names,
        options.fit,
    )
    session = open_session(fitted.onnx)
    labelled = np.concatenate([split.train, split.validation])
    parity = check_parity(fitted, session, folder.features[labelled], PARITY_ROWS, options.fit.seed)
    _say(log, f"  {options.kind}, {fitted.trees} trees; parity on {parity['rows']} rows: {parity['difference_max']}")
    raw = score(session, folder.features[chosen_on])
    label = folder.label[chosen_on]
    calibration = fit_calibration(options.calibration, raw, label) if validated else NO_CALIBRATION

    def score_of(rows: np.ndarray) -> np.ndarray:
        return calibration.apply(score(session, rows))

    thresholds = choose_thresholds(options, label, calibration.apply(raw), _rows_per_day(folder, split, chosen_on))
    metrics = {part: _evaluate(folder, rows, score_of, thresholds) for part in PARTS if len(rows := getattr(split, part))}
    sample = folder.features[chosen_on]
    edges = edge_rows(fitted.edges, folder.features[split.train], 64, options.fit.seed + 2)
    vectors = pick_vectors(sample, raw, edges)
    manifest = describe(folder, split, options, fitted, calibration, thresholds, metrics, parity)
    whole = write_model(options.out, options.name, fitted.onnx.SerializeToString(), score_of, manifest, vectors)
    for part, values in metrics.items():
        _say(log, f"  {part}: {_summary(values)}")
    _say(log, f"wrote {options.out}: {whole['version']}, flag {thresholds['flag']}, block {thresholds['block']}")
    return whole


def choose_thresholds(options: TrainOptions, label: np.ndarray, scores: np.ndarray, rows_per_day: float) -> dict[str, float]:
    """Raises TargetError."""
    block = choose(options.block, label, scores, rows_per_day)
    return {"flag": min(choose(options.flag, label, scores, rows_per_day), block), "block": block}


def _sample(folder: FeatureFolder, rows: np.ndarray) -> Sample:
    return Sample(folder.features[rows], folder.label[rows])


def _rows_per_day(folder: FeatureFolder, split: Split, rows: np.ndarray) -> float:
    """Of all users' payments, labelled or not, over the days that these rows span."""
    time = folder.event_time_ms
    first, last = int(time[rows].min()), int(time[rows].max())
    days = max(1.0, (last - first) / DAY_MS)
    return int(((time >= first) & (time <= last)).sum()) / days


def _evaluate(
    folder: FeatureFolder, rows: np.ndarray, score_of: Callable[[np.ndarray], np.ndarray], thresholds: dict[str, float]
) -> dict:
    return evaluate(
        folder.label[rows],
        score_of(folder.features[rows]),
        folder.amount_minor[rows],
        thresholds,
        folder.event_time_ms[rows] // DAY_MS,
        folder.user_index[rows],
        folder.user_ids,
    )


def describe(
    folder: FeatureFolder,
    split: Split,
    options: TrainOptions,
    fitted: Fitted,
    calibration: Calibration,
    thresholds: dict[str, float],
    metrics: dict,
    parity: dict,
) -> dict:
    total = float(fitted.importance.sum()) or 1.0
    order = np.argsort(-fitted.importance, kind="stable")
    validated = len(split.validation) > 0
    chosen_on = split.validation if validated else split.train
    rows_said = {"rows": len(chosen_on), "frauds": int((folder.label[chosen_on] == 1).sum())}
    mapped = calibration.manifest()
    return {
        "kind": options.kind,
        "features": folder.feature_names,
        "input": {"tensor": INPUT_NAME},
        "output": {"tensor": OUTPUT_NAME, "column": 0},
        **({"calibration": {**mapped, "fitted_on": {"part": "validation", **rows_said}}} if mapped else {}),
        "thresholds": {
            **thresholds,
            "chosen": {
                "rule": "lowest score that meets the target on the rows of this part",
                "part": "validation" if validated else "train",
                "flag_target": str(options.flag),
                "block_target": str(options.block),
                **rows_said,
            },
        },
        "explanation": fitted.explanation,
        "catalogue_fingerprint": folder.catalogue_fingerprint,
        "catalogue_version": folder.catalogue_version,
        "training_data": {
            "description": options.description,
            "sha256": folder.sha256,
            "rows": folder.rows,
            "frauds": int((folder.label == 1).sum()),
            "unlabelled": int((folder.label < 0).sum()),
            "unlabelled_genuine_after_days": options.unlabelled_genuine_after_days,
            "users": len(folder.user_ids),
            "time_from_ms": int(folder.event_time_ms.min()),
            "time_to_ms": int(folder.event_time_ms.max()),
            "trained_rows": len(split.train),
            "trained_from_ms": int(folder.event_time_ms[split.train].min()),
            "trained_to_ms": int(folder.event_time_ms[split.train].max()),
            "validation_from_ms": split.validation_from_ms,
            "later_days_from_ms": split.later_from_ms,
            "unseen_user_share": 0.0 if options.windows else options.split.unseen_user_share,
        },
        "metrics": metrics,
        "parity": parity,
        "trees": fitted.trees,
        "parameters": fitted.parameters,
        "gain_share": {
            folder.feature_names[i]: round(float(fitted.importance[i]) / total, 6)
            for i in order
            if fitted.importance[i] > 0
        },
        "libraries": {name: version(name) for name in (LIBRARIES[options.kind], "numpy", "onnx", "onnxruntime")},
    }


def _summary(values: dict) -> str:
    block, flag = values["block"], values["flag"]
    return (
        f"AUC {values['roc_auc']:.4f}, AP {values['average_precision']:.4f}, Brier {values['brier']:.5f}"
        f"; block: precision {block['precision']:.3f}, recall {block['recall']:.3f}, FPR {block['false_positive_rate']:.5f}"
        f"; flag: precision {flag['precision']:.3f}, recall {flag['recall']:.3f}, FPR {flag['false_positive_rate']:.5f}"
    )


def _say(log: TextIO, text: str) -> None:
    print(text, file=log, flush=True)
