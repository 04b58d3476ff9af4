from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from fraudstream_training.__main__ import main
from fraudstream_training.parity import open_session, score
from fraudstream_training.train import TrainOptions, train


def options(features: Path, out: Path) -> TrainOptions:
    return TrainOptions(features=features, out=out, name="test", description="made up", trees=20)


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
    for part in ("later_days", "unseen_users", "unseen_users_later"):
        assert manifest["metrics"][part]["roc_auc"] > 0.9
        assert manifest["metrics"][part]["average_precision"] > 0.3


def test_vectors_come_out_of_the_model_again(trained: Path) -> None:
    document = json.loads((trained / "vectors.json").read_text())
    manifest = json.loads((trained / "manifest.json").read_text())
    assert document["features"] == manifest["features"]
    assert document["sha256"] == manifest["sha256"]
    assert len(document["vectors"]) >= 32
    rows = np.array([vector["inputs"] for vector in document["vectors"]], dtype=np.float32)
    assert np.isnan(rows).any(axis=1).sum() >= 10
    session = open_session((trained / "model.onnx").read_bytes())
    expected = np.array([vector["output"] for vector in document["vectors"]], dtype=np.float32)
    np.testing.assert_array_equal(score(session, rows), expected)


def test_command_line(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--features", str(exported), "--out", str(tmp_path / "small"), "--trees", "5"]
    assert main(arguments) == 0
    assert json.loads((tmp_path / "small" / "manifest.json").read_text())["name"] == "small"
    assert main(["train", "--features", str(tmp_path), "--out", str(tmp_path / "none")]) == 1
    assert "is missing" in capsys.readouterr().err
    assert main([*arguments, "--flag-fpr", "0.0001"]) == 2
    with pytest.raises(SystemExit):
        main([*arguments, "--block-fpr", "2"])
