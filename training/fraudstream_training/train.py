"""Features in, model folder out. Deterministic: the same folder and options give the same bytes."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import lightgbm as lgb
import numpy as np

from .export import pick_vectors, write_model
from .folder import FeatureFolder, read_folder
from .lightgbm_onnx import INPUT_NAME, OUTPUT_NAME, to_onnx
from .metrics import evaluate, threshold_for
from .parity import check_parity, edge_rows, open_session, score
from .split import Split, SplitOptions, split_rows, with_mature_labels

LIBRARIES = ("lightgbm", "numpy", "onnx", "onnxruntime")
PARITY_ROWS = 10_000


@dataclass(frozen=True)
class TrainOptions:
    features: Path
    out: Path
    name: str
    description: str
    trees: int = 100
    leaves: int = 31
    learning_rate: float = 0.1
    early_stopping: int = 25
    """stop after this many trees that bring nothing on the validation rows; 0 = never"""
    block_false_positive_rate: float = 0.001
    flag_false_positive_rate: float = 0.005
    unlabelled_genuine_after_days: float | None = None
    """None: rows without a label are left out"""
    seed: int = 1
    split: SplitOptions = field(default_factory=SplitOptions)


def parameters(options: TrainOptions) -> dict:
    """LightGBM's parameters. One thread and row-wise histograms: the order of additions, and so the bytes, are fixed.

    No class weights: they would change the scores' meaning (a probability) and not the ranking. Against the
    instability that rare positives cause, leaves are kept from being tiny and outputs from exploding instead.
    """
    return {
        "objective": "binary",
        "metric": "average_precision",
        "num_leaves": options.leaves,
        "learning_rate": options.learning_rate,
        "min_data_in_leaf": 40,
        "min_sum_hessian_in_leaf": 0.5,
        "lambda_l2": 2.0,
        "max_delta_step": 2.0,
        "feature_fraction": 0.7,
        "max_bin": 255,
        "seed": options.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }


def train(options: TrainOptions, log: TextIO = sys.stderr) -> dict:
    """Trains, checks, writes the model folder and returns the manifest.

    Raises FolderError, SplitError, ConversionError, ParityError.
    """
    folder = read_folder(options.features)
    if options.unlabelled_genuine_after_days is not None:
        folder = with_mature_labels(folder, options.unlabelled_genuine_after_days)
    split = split_rows(folder, options.split)
    _say(log, f"{folder.rows} rows, {len(folder.feature_names)} features, {len(folder.user_ids)} users")
    for part in ("train", "validation", "later_days", "unseen_users", "unseen_users_later"):
        rows = getattr(split, part)
        _say(log, f"  {part}: {len(rows)} rows, {int((folder.label[rows] == 1).sum())} frauds")
    booster = fit(folder, split, options)
    model = to_onnx(booster)
    session = open_session(model)
    labelled = np.concatenate([split.train, split.validation])
    parity = check_parity(booster, session, folder.features[labelled], PARITY_ROWS, options.seed)
    _say(log, f"  {booster.num_trees()} trees; parity on {parity['rows']} rows: {parity['difference_max']}")
    thresholds = choose_thresholds(folder, split, options, score(session, folder.features[split.validation]))
    metrics = {
        part: evaluate(
            folder.label[rows], score(session, folder.features[rows]), folder.amount_minor[rows], thresholds
        )
        for part in ("validation", "later_days", "unseen_users", "unseen_users_later")
        for rows in (getattr(split, part),)
    }
    sample = folder.features[split.validation]
    vectors = pick_vectors(
        sample, score(session, sample), edge_rows(booster, folder.features[split.train], 64, options.seed + 2)
    )
    manifest = describe(folder, split, options, booster, thresholds, metrics, parity)
    whole = write_model(options.out, options.name, model.SerializeToString(), session, manifest, vectors)
    for part, values in metrics.items():
        _say(log, f"  {part}: {_summary(values)}")
    _say(log, f"wrote {options.out}: {whole['version']}, flag {thresholds['flag']}, block {thresholds['block']}")
    return whole


def fit(folder: FeatureFolder, split: Split, options: TrainOptions) -> lgb.Booster:
    """Up to `trees` trees; stops when the average precision on the validation rows no longer grows.

    Trees after the best one are cut off, so that every later step sees the model as it is exported.
    """
    settings = parameters(options)
    train_set = lgb.Dataset(
        folder.features[split.train],
        label=folder.label[split.train],
        feature_name=folder.feature_names,
        params=settings,
    )
    validation_set = lgb.Dataset(
        folder.features[split.validation],
        label=folder.label[split.validation],
        reference=train_set,
        params=settings,
    )
    stop = [lgb.early_stopping(options.early_stopping, verbose=False)] if options.early_stopping > 0 else []
    booster = lgb.train(
        settings,
        train_set,
        num_boost_round=options.trees,
        valid_sets=[validation_set],
        callbacks=stop,
    )
    best = booster.best_iteration if booster.best_iteration > 0 else booster.num_trees()
    return lgb.Booster(model_str=booster.model_to_string(num_iteration=best))


def choose_thresholds(
    folder: FeatureFolder, split: Split, options: TrainOptions, validation_score: np.ndarray
) -> dict[str, float]:
    label = folder.label[split.validation]
    block = threshold_for(label, validation_score, options.block_false_positive_rate)
    flag = threshold_for(label, validation_score, options.flag_false_positive_rate)
    return {"flag": min(flag, block), "block": block}


def describe(
    folder: FeatureFolder,
    split: Split,
    options: TrainOptions,
    booster: lgb.Booster,
    thresholds: dict[str, float],
    metrics: dict,
    parity: dict,
) -> dict:
    gain = booster.feature_importance("gain")
    total = float(gain.sum()) or 1.0
    order = np.argsort(-gain, kind="stable")
    return {
        "features": folder.feature_names,
        "input": {"tensor": INPUT_NAME},
        "output": {"tensor": OUTPUT_NAME, "column": 0},
        "thresholds": {
            **thresholds,
            "chosen": {
                "rule": "lowest score at or above which at most the target share of genuine validation rows lies",
                "flag_target_false_positive_rate": options.flag_false_positive_rate,
                "block_target_false_positive_rate": options.block_false_positive_rate,
                "rows": len(split.validation),
                "frauds": int((folder.label[split.validation] == 1).sum()),
            },
        },
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
            "validation_from_ms": split.validation_from_ms,
            "later_days_from_ms": split.later_from_ms,
            "unseen_user_share": options.split.unseen_user_share,
        },
        "metrics": metrics,
        "parity": parity,
        "trees": booster.num_trees(),
        "parameters": parameters(options),
        "gain_share": {
            folder.feature_names[i]: round(float(gain[i]) / total, 6) for i in order if gain[i] > 0
        },
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _summary(values: dict) -> str:
    block, flag = values["block"], values["flag"]
    return (
        f"AUC {values['roc_auc']:.4f}, AP {values['average_precision']:.4f}"
        f"; block: precision {block['precision']:.3f}, recall {block['recall']:.3f}, FPR {block['false_positive_rate']:.5f}"
        f"; flag: precision {flag['precision']:.3f}, recall {flag['recall']:.3f}, FPR {flag['false_positive_rate']:.5f}"
    )


def _say(log: TextIO, text: str) -> None:
    print(text, file=log, flush=True)
