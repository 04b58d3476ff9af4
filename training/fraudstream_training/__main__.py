"""`python -m fraudstream_training train|synthetic`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .folder import FolderError
from .lightgbm_onnx import ConversionError
from .parity import ParityError
from .split import SplitError, SplitOptions
from .synthetic import write_synthetic
from .train import TrainOptions, train


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


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fraudstream_training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    formatter = argparse.ArgumentDefaultsHelpFormatter

    fit = commands.add_parser("train", help="train on exported features", formatter_class=formatter)
    fit.add_argument("--features", type=Path, required=True, help="folder that export-features wrote")
    fit.add_argument("--out", type=Path, required=True, help="model folder to write")
    fit.add_argument("--name", help="name of the model (default: name of the out folder)")
    fit.add_argument("--description", default="", help="what the data is; goes into the manifest")
    fit.add_argument("--trees", type=positive, default=TrainOptions.trees, help="at most this many")
    fit.add_argument("--leaves", type=positive, default=TrainOptions.leaves, help="per tree")
    fit.add_argument("--learning-rate", type=share, default=TrainOptions.learning_rate, help="of each tree")
    fit.add_argument("--early-stopping", type=int, default=TrainOptions.early_stopping, help="stop after this many trees that bring nothing on the validation rows; 0 = never")
    fit.add_argument("--block-fpr", type=share, default=TrainOptions.block_false_positive_rate, help="share of genuine payments that may be blocked")
    fit.add_argument("--flag-fpr", type=share, default=TrainOptions.flag_false_positive_rate, help="share of genuine payments that may be flagged")
    fit.add_argument("--unseen-users", type=share, default=SplitOptions.unseen_user_share, help="share of users that training never sees")
    fit.add_argument("--validation-share", type=share, default=SplitOptions.validation_share, help="of the time span, before the later days")
    fit.add_argument("--later-share", type=share, default=SplitOptions.later_share, help="of the time span, at its end, for the test")
    fit.add_argument("--warmup-days", type=float, default=SplitOptions.warmup_days, help="left out at the start: windows are not yet full")
    fit.add_argument("--unlabelled-genuine-after-days", type=float, help="when only disputed payments have labels: payments this old without one count as genuine, younger ones are left out (default: only labelled rows count)")
    fit.add_argument("--seed", type=int, default=TrainOptions.seed, help="of feature sampling and checks")

    fake = commands.add_parser("synthetic", help="write a small made-up feature folder", formatter_class=formatter)
    fake.add_argument("--out", type=Path, required=True, help="folder to write")
    fake.add_argument("--rows", type=positive, default=20_000, help="payments")
    fake.add_argument("--features", type=positive, default=40, help="columns, at least 8")
    fake.add_argument("--seed", type=int, default=1, help="of everything")
    return parser


def main(argv: list[str] | None = None) -> int:
    options = build_parser().parse_args(argv)
    if options.command == "synthetic":
        write_synthetic(options.out, rows=options.rows, features=options.features, seed=options.seed)
        return 0
    if options.flag_fpr < options.block_fpr:
        print("error: --flag-fpr must not be below --block-fpr", file=sys.stderr)
        return 2
    try:
        train(
            TrainOptions(
                features=options.features,
                out=options.out,
                name=options.name or options.out.resolve().name,
                description=options.description,
                trees=options.trees,
                leaves=options.leaves,
                learning_rate=options.learning_rate,
                early_stopping=options.early_stopping,
                block_false_positive_rate=options.block_fpr,
                flag_false_positive_rate=options.flag_fpr,
                unlabelled_genuine_after_days=options.unlabelled_genuine_after_days,
                seed=options.seed,
                split=SplitOptions(
                    unseen_user_share=options.unseen_users,
                    validation_share=options.validation_share,
                    later_share=options.later_share,
                    warmup_days=options.warmup_days,
                ),
            )
        )
    except (FolderError, SplitError, ConversionError, ParityError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
