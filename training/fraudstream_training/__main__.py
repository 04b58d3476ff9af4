"""`python -m fraudstream_training train|synthetic`."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from . import calibration
from .calibration import CalibrationError
from .folder import FolderError
from .kinds import KINDS, FitOptions, ParameterError
from .parity import ParityError
from .split import SplitError, SplitOptions, Windows
from .synthetic import write_synthetic
from .targets import Target, TargetError, parse_target
from .train import TrainOptions, train
from .trees import ConversionError

FAILURES = (FolderError, SplitError, ParameterError, ConversionError, ParityError, CalibrationError, TargetError)


def share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return value


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def moment(text: str) -> int:
    """ms since 1970 from `2018-07-25`, `2018-07-25T12:00:00` (UTC unless it says otherwise) or the number itself"""
    if text.isdigit() and len(text) > 8:
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a date, or ms since 1970: {text!r}") from error
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def target(text: str) -> Target:
    try:
        return parse_target(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def false_positive_rate(text: str) -> Target:
    return Target("fpr", share(text))


def parameters(text: str) -> dict:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"must be JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fraudstream_training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    formatter = argparse.ArgumentDefaultsHelpFormatter

    fit = commands.add_parser("train", help="train on exported features", formatter_class=formatter)
    fit.add_argument("--features", type=Path, required=True, help="folder that export-features wrote")
    fit.add_argument("--out", type=Path, required=True, help="model folder to write")
    fit.add_argument("--name", help="name of the model (default: name of the out folder)")
    fit.add_argument("--description", default="", help="what the data is; goes into the manifest")
    fit.add_argument("--unlabelled-genuine-after-days", type=float, help="when only disputed payments have labels: payments this old without one count as genuine, younger ones are left out (default: only labelled rows count)")

    model = fit.add_argument_group("model")
    model.add_argument("--kind", choices=tuple(KINDS), default=TrainOptions.kind, help="of model")
    model.add_argument("--trees", type=positive, default=FitOptions.trees, help="at most this many")
    model.add_argument("--leaves", type=positive, default=FitOptions.leaves, help="per tree (lightgbm)")
    model.add_argument("--depth", type=positive, default=FitOptions.depth, help="of a tree (xgboost)")
    model.add_argument("--learning-rate", type=share, default=FitOptions.learning_rate, help="of each tree")
    model.add_argument("--early-stopping", type=int, default=FitOptions.early_stopping, help="stop after this many trees that bring nothing on the validation rows; 0 = never")
    model.add_argument("--params", type=parameters, default={}, metavar="JSON", help="parameters of the library, over ours: '{\"max_depth\": 3}'")
    model.add_argument("--seed", type=int, default=FitOptions.seed, help="of sampling and checks")
    model.add_argument("--seeds", type=positive, default=FitOptions.seeds, help="average boosted models of this many seeds, as one model")

    meaning = fit.add_argument_group("scores and thresholds")
    meaning.add_argument("--calibration", choices=calibration.METHODS, default=TrainOptions.calibration, help="fitted on the validation rows")
    meaning.add_argument("--flag-target", type=target, default=TrainOptions.flag, metavar="TARGET", help="fpr=SHARE of genuine payments, precision=SHARE, or alerts-per-day=NUMBER")
    meaning.add_argument("--block-target", type=target, default=TrainOptions.block, metavar="TARGET", help="the same for blocks")
    meaning.add_argument("--flag-fpr", dest="flag_target", type=false_positive_rate, default=argparse.SUPPRESS, help="short for --flag-target fpr=SHARE")
    meaning.add_argument("--block-fpr", dest="block_target", type=false_positive_rate, default=argparse.SUPPRESS, help="short for --block-target fpr=SHARE")

    parts = fit.add_argument_group("parts by share (the usual way)")
    parts.add_argument("--unseen-users", type=share, default=SplitOptions.unseen_user_share, help="share of users that training never sees")
    parts.add_argument("--validation-share", type=share, default=SplitOptions.validation_share, help="of the time span, before the later days")
    parts.add_argument("--later-share", type=share, default=SplitOptions.later_share, help="of the time span, at its end, for the test")
    parts.add_argument("--warmup-days", type=float, default=SplitOptions.warmup_days, help="left out at the start: windows are not yet full")

    dates = fit.add_argument_group("parts by date (all users; from <= time < to; date or ms)")
    dates.add_argument("--from", dest="train_from", type=moment, metavar="TIME", help="training rows from here")
    dates.add_argument("--to", dest="train_to", type=moment, metavar="TIME", help="and before this")
    dates.add_argument("--validation-from", type=moment, metavar="TIME", help="without these two: no early stopping, no calibration, thresholds from the training rows")
    dates.add_argument("--validation-to", type=moment, metavar="TIME", help="and before this")
    dates.add_argument("--test-from", type=moment, metavar="TIME", help="metrics of later days from here")
    dates.add_argument("--test-to", type=moment, metavar="TIME", help="and before this")

    fake = commands.add_parser("synthetic", help="write a small made-up feature folder", formatter_class=formatter)
    fake.add_argument("--out", type=Path, required=True, help="folder to write")
    fake.add_argument("--rows", type=positive, default=20_000, help="payments")
    fake.add_argument("--features", type=positive, default=40, help="columns, at least 8")
    fake.add_argument("--seed", type=int, default=1, help="of everything")
    return parser


def windows_of(options: argparse.Namespace) -> Windows | None:
    """Raises ValueError."""
    pairs = {
        "--from": (options.train_from, options.train_to),
        "--validation-from": (options.validation_from, options.validation_to),
        "--test-from": (options.test_from, options.test_to),
    }
    for name, (start, end) in pairs.items():
        if (start is None) != (end is None):
            raise ValueError(f"{name}: from and to go together")
        if start is not None and start >= end:
            raise ValueError(f"{name} must be before its end")
    train_window, *others = pairs.values()
    if train_window[0] is None:
        if any(start is not None for start, _ in others):
            raise ValueError("--validation-from and --test-from need --from and --to")
        return None
    validation, test = (pair if pair[0] is not None else None for pair in others)
    return Windows(train=train_window, validation=validation, later_days=test)


def train_options(options: argparse.Namespace) -> TrainOptions:
    """Raises ValueError."""
    flag, block = options.flag_target, options.block_target
    if flag.kind == block.kind:
        wrong = flag.value > block.value if flag.kind == "precision" else flag.value < block.value
        if wrong:
            raise ValueError(f"the flag target ({flag}) must not be stricter than the block target ({block})")
    return TrainOptions(
        features=options.features,
        out=options.out,
        name=options.name or options.out.resolve().name,
        description=options.description,
        kind=options.kind,
        fit=FitOptions(
            trees=options.trees,
            leaves=options.leaves,
            depth=options.depth,
            learning_rate=options.learning_rate,
            early_stopping=options.early_stopping,
            seed=options.seed,
            seeds=options.seeds,
            params=options.params,
        ),
        calibration=options.calibration,
        flag=flag,
        block=block,
        unlabelled_genuine_after_days=options.unlabelled_genuine_after_days,
        split=SplitOptions(
            unseen_user_share=options.unseen_users,
            validation_share=options.validation_share,
            later_share=options.later_share,
            warmup_days=options.warmup_days,
        ),
        windows=windows_of(options),
    )


def main(argv: list[str] | None = None) -> int:
    options = build_parser().parse_args(argv)
    if options.command == "synthetic":
        write_synthetic(options.out, rows=options.rows, features=options.features, seed=options.seed)
        return 0
    try:
        given = train_options(options)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        train(given)
    except FAILURES as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
