from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from fraudstream_training.__main__ import main
from fraudstream_training.calibration import Calibration
from fraudstream_training.kinds import FitOptions
from fraudstream_training.parity import open_session, score
from fraudstream_training.train import TrainOptions, train


def options(features: Path, out: Path) -> TrainOptions:
    return TrainOptions(features=features, out=out, name="test", description="made up", fit=FitOptions(trees=20))


@pytest.fixture(scope="module")
def trained(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model")
    train(options(exported, out), log=io.StringIO())
    return out


def test_same_input_same_bytes(exported: Path, trained: Path, tmp_path: Path) -> None:
    train(options(exported, tmp_path), log=io.StringIO())
    for name in ("model.onnx", "manifest.json", "vectors.json"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes(), name


def test_manifest_says_what_was_done(exported: Path, trained: Path) -> None:
    manifest = json.loads((trained / "manifest.json").read_text())
    digest = hashlib.sha256((trained / "model.onnx").read_bytes()).hexdigest()
    assert manifest["sha256"] == digest
    assert manifest["version"] == f"test-{digest[:12]}"
    assert manifest["features"] == json.loads((exported / "columns.json").read_text())["features"]
    assert manifest["training_data"]["rows"] == 12_000
    assert manifest["parity"]["rows"] >= 10_000
    assert 0 < manifest["thresholds"]["flag"] <= manifest["thresholds"]["block"] <= 1
    validation = manifest["metrics"]["validation"]
    assert validation["block"]["false_positive_rate"] <= 0.001
    assert validation["flag"]["false_positive_rate"] <= 0.005
    assert manifest["kind"] == "lightgbm"
    assert manifest["explanation"]["kind"] == "tree_path"
    assert manifest["thresholds"]["chosen"]["block_target"] == "fpr=0.001"
    assert manifest["training_data"]["trained_to_ms"] < manifest["training_data"]["validation_from_ms"]
    for part in ("later_days", "unseen_users", "unseen_users_later"):
        assert manifest["metrics"][part]["roc_auc"] > 0.9
        assert manifest["metrics"][part]["average_precision"] > 0.3
        assert 0 < manifest["metrics"][part]["brier"] < 0.02


def test_vectors_come_out_of_the_model_again(trained: Path) -> None:
    document = json.loads((trained / "vectors.json").read_text())
    manifest = json.loads((trained / "manifest.json").read_text())
    assert document["features"] == manifest["features"]
    assert document["sha256"] == manifest["sha256"]
    assert len(document["vectors"]) >= 32
    rows = np.array([vector["inputs"] for vector in document["vectors"]], dtype=np.float32)
    assert np.isnan(rows).any(axis=1).sum() >= 10
    session = open_session((trained / "model.onnx").read_bytes())
    expected = np.array([vector["output"] for vector in document["vectors"]])
    said = manifest["calibration"]
    assert said["method"] == "isotonic"
    calibration = Calibration("isotonic", np.array(said["knots"]), 1.0, 0.0)
    np.testing.assert_array_equal(calibration.apply(score(session, rows)), expected)


def test_command_line(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--features", str(exported), "--out", str(tmp_path / "small"), "--trees", "5"]
    assert main(arguments) == 0
    assert json.loads((tmp_path / "small" / "manifest.json").read_text())["name"] == "small"
    assert main(["train", "--features", str(tmp_path), "--out", str(tmp_path / "none")]) == 1
    assert "is missing" in capsys.readouterr().err
    assert main([*arguments, "--flag-fpr", "0.0001"]) == 2
    with pytest.raises(SystemExit):
        main([*arguments, "--block-fpr", "2"])
    assert main([*arguments, "--flag-target", "precision=0.9", "--block-target", "precision=0.5"]) == 2
    assert "stricter" in capsys.readouterr().err
    assert main([*arguments, "--block-target", "precision=0.99999"]) in (0, 1)
    for wrong in (["--flag-target", "recall=0.5"], ["--block-target", "fpr=2"], ["--params", "{"], ["--from", "soon"]):
        with pytest.raises(SystemExit):
            main([*arguments, *wrong])


@pytest.mark.parametrize("kind", ["xgboost", "forest", "logistic"])
def test_every_kind_trains_the_same_bytes_twice(exported: Path, tmp_path: Path, kind: str) -> None:
    arguments = ["train", "--features", str(exported), "--kind", kind, "--trees", "10", "--name", "twice"]
    arguments += ["--calibration", "platt", "--flag-target", "precision=0.2", "--block-target", "alerts-per-day=5"]
    for out in ("a", "b"):
        assert main([*arguments, "--out", str(tmp_path / out)]) == 0
    for name in ("model.onnx", "manifest.json", "vectors.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    validation = manifest["metrics"]["validation"]
    assert validation["flag"]["precision"] >= 0.2
    # 12,000 rows in 30 days; 5 of 400 a day
    assert validation["block"]["rows_at_or_above"] / validation["rows"] <= 5 / 395


def test_windows_on_the_command_line(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--features", str(exported), "--out", str(tmp_path), "--kind", "logistic"]
    assert main([*arguments, "--from", "2025-01-02", "--to", "2025-01-16", "--test-from", "2025-01-20T12:00", "--test-to", "1738108800000"]) == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert list(manifest["metrics"]) == ["later_days"]
    assert "calibration" not in manifest
    assert manifest["thresholds"]["chosen"]["part"] == "train"
    data = manifest["training_data"]
    assert 1735776000000 <= data["trained_from_ms"] < data["trained_to_ms"] < 1736985600000
    assert data["later_days_from_ms"] == 1737374400000
    assert main([*arguments, "--from", "2025-01-02"]) == 2
    assert main([*arguments, "--test-from", "2025-01-02", "--test-to", "2025-01-03"]) == 2
    assert main([*arguments, "--from", "2025-01-03", "--to", "2025-01-03"]) == 2
    assert "must be before its end" in capsys.readouterr().err
