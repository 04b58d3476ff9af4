"""The three metrics of every scored model: OUT/<start>/<model>.f64 holds the engine's scores of the fold's test rows.

    python measure.py FEATURES PLAN.json OUT        prints [{"model", "start", "auc", "ap", "cp100"}, ...]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from fraudstream_training.folder import read_folder
from fraudstream_training.metrics import area_under_roc, average_precision, user_precision_at
from fraudstream_training.split import DAY_MS


def main(features: Path, plan: dict, out: Path) -> None:
    folder = read_folder(features)
    results = []
    for start in plan["starts"]:
        rows = np.fromfile(out / start / "rows.i64", dtype="<i8")
        label, day, user = folder.label[rows], folder.event_time_ms[rows] // DAY_MS, folder.user_index[rows]
        for model in plan["models"]:
            scores = np.fromfile(out / start / f"{model['name']}.f64", dtype="<f8")
            if len(scores) != len(rows):
                raise ValueError(f"{start} {model['name']}: {len(scores)} scores of {len(rows)} rows")
            results.append(
                {
                    "model": model["name"],
                    "start": start,
                    "auc": area_under_roc(label, scores),
                    "ap": average_precision(label, scores),
                    "cp100": user_precision_at(100, day, user, folder.user_ids, label, scores),
                }
            )
    print(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")), Path(sys.argv[3]))
