"""Trains every model of a plan on every fold of an exported folder: model folders for the engine, and the test rows to score.

    python fit.py FEATURES PLAN.json OUT

PLAN: {"starts": ["2018-07-25", ...], "without": [features that are not trained on],
       "models": [{"name", "kind", "fit": {options of FitOptions}, "monotone": {feature: 1 or -1}}, ...]}
OUT/<start>/rows.i64 positions of the test rows; OUT/<start>/rows.f32 their features, row-major;
OUT/<start>/<model>/ as the trainer writes it; OUT/folds.json sizes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fraudstream_training.export import pick_vectors, write_model
from fraudstream_training.folder import FeatureFolder, read_folder
from fraudstream_training.folds import Fold, fold_of
from fraudstream_training.kinds import FitOptions, Sample, fit
from fraudstream_training.parity import check_parity, edge_rows, open_session, score
from fraudstream_training.trees import INPUT_NAME, OUTPUT_NAME

PARITY_ROWS = 2_000
# Nobody blocks anything here: the manifest has to have some.
THRESHOLDS = {"flag": 0.5, "block": 0.5}


def main(features: Path, plan: dict, out: Path) -> None:
    folder = read_folder(features)
    folds = []
    for start in plan["starts"]:
        fold = fold_of(folder, start_ms(start))
        place = out / start
        place.mkdir(parents=True)
        fold.test.astype("<i8").tofile(place / "rows.i64")
        folder.features[fold.test].astype("<f4").tofile(place / "rows.f32")
        folds.append({"start": start} | sizes(folder, fold))
        for model in plan["models"]:
            fit_one(folder, fold, model, plan["without"], place / model["name"], start)
            print(f"{start} {model['name']} trained", flush=True)
    (out / "folds.json").write_text(json.dumps(folds), encoding="utf-8")


def start_ms(date: str) -> int:
    return round(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1_000)


def sizes(folder: FeatureFolder, fold: Fold) -> dict:
    return {
        "trainRows": len(fold.train),
        "trainFrauds": int(folder.label[fold.train].sum()),
        "testRows": len(fold.test),
        "testFrauds": int(folder.label[fold.test].sum()),
    }


def options_of(model: dict, names: list[str]) -> FitOptions:
    """`monotone` by name: a feature that is not there is a mistake of the plan. Raises ValueError."""
    options = FitOptions(**model["fit"])
    monotone = model.get("monotone", {})
    unknown = sorted(set(monotone) - set(names))
    if unknown:
        raise ValueError(f"{model['name']}: monotone names {', '.join(unknown)}, which no feature is called")
    if not monotone:
        return options
    return replace(options, params=options.params | {"monotone_constraints": [monotone.get(name, 0) for name in names]})


def fit_one(folder: FeatureFolder, fold: Fold, model: dict, without: list[str], out: Path, start: str) -> None:
    columns = [place for place, name in enumerate(folder.feature_names) if name not in without]
    names = [folder.feature_names[place] for place in columns]
    rows, label = np.ascontiguousarray(folder.features[fold.train][:, columns]), folder.label[fold.train]
    options = options_of(model, names)
    fitted = fit(model["kind"], Sample(rows, label), None, names, options)
    session = open_session(fitted.onnx)
    parity = check_parity(fitted, session, rows, PARITY_ROWS, options.seed)
    raw = score(session, rows)
    vectors = pick_vectors(rows, raw, edge_rows(fitted.edges, rows, 64, options.seed + 2))
    time = folder.event_time_ms[fold.train]
    manifest = {
        "features": names,
        "input": {"tensor": INPUT_NAME},
        "output": {"tensor": OUTPUT_NAME, "column": 0},
        "thresholds": THRESHOLDS,
        "catalogue_fingerprint": folder.catalogue_fingerprint,
        "training_data": {
            "description": f"fold of {start}",
            "sha256": folder.sha256,
            "rows": len(rows),
            "frauds": int(label.sum()),
            "time_from_ms": int(time.min()),
            "time_to_ms": int(time.max()),
        },
        "metrics": {},
        "parity": parity,
        "parameters": fitted.parameters,
    }
    write_model(
        out, model["name"], fitted.onnx.SerializeToString(), lambda some: score(session, some), manifest, vectors
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")), Path(sys.argv[3]))
