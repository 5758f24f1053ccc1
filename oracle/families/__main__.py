"""Writes packages/models/golden/<family>/: tiny random checkpoints, their goldens, and config keys.

    python -m oracle.families [FAMILY ...] [--out FOLDER]

Each family has a folder with keys.json and one folder per variant: config.json and model.safetensors as
published, golden.json and golden.safetensors.
"""

import argparse
import logging
import shutil
import warnings
from pathlib import Path

import torch
import transformers

from .keys import write_keys
from .registry import FAMILIES, writers

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 300_000


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("families", nargs="*")
    parser.add_argument("--out", type=Path, default=ROOT / "packages" / "models" / "golden")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity(logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    for name in args.families or FAMILIES:
        family = FAMILIES[name]
        write_variant, config_keys = writers(family)
        folder = args.out / name
        shutil.rmtree(folder, ignore_errors=True)
        for variant in family.variants:
            record = write_variant(args.out, family, variant)
            brief = {key: value for key, value in record.items() if key not in ("oracle", "versions")}
            print(f"{name}/{variant.name}: {brief}", flush=True)
        write_keys(folder / "keys.json", config_keys(args.out, family))
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"{name}: {size / 1e3:.0f} kB", flush=True)
        assert size < LIMIT, f"{name} takes {size} bytes"


if __name__ == "__main__":
    main()
