from __future__ import annotations

from pathlib import Path

import pytest

from fraudstream_training.synthetic import write_synthetic


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic feature folder. Read only: tests that damage it copy it first."""
    out = tmp_path_factory.mktemp("exported")
    write_synthetic(out, rows=12_000, features=12, users=200)
    return out


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    for file in exported.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path
