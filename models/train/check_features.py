# SPDX-License-Identifier: MIT OR Apache-2.0
"""Compares the features that the crate writes with those that training computes.

    python -m models.train.check_features CRATE.npy RECORDING [CRATE.npy RECORDING ...]

A pair is what `soundclassify features` wrote for a recording, and the recording. To compare the features alone the
recording should be at the model's rate: resamplers differ. Fails above --limit, in the unit of the features (dB or ln): in almost empty bands rounding reaches 2e-3.
"""
import argparse
import sys

import numpy as np

from . import dataset, features
from .settings import HERE, Settings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--settings", default=HERE / "default.toml")
    parser.add_argument("--oversamples", type=int, default=10)
    parser.add_argument("--limit", type=float, default=3e-3)
    options = parser.parse_args()
    spec, worst = Settings(options.settings).spec, 0.0
    for crate, recording in zip(options.files[::2], options.files[1::2]):
        ours = features.windows(dataset.load_audio(recording, spec.rate), spec, options.oversamples)
        theirs = np.load(crate).reshape(-1, spec.frames, spec.mels)
        if len(ours) != len(theirs):
            sys.exit(f"{crate}: {len(theirs)} windows, training makes {len(ours)} of {recording}")
        difference = float(np.abs(ours - theirs).max())
        worst = max(worst, difference)
        print(f"{recording}: {len(ours)} windows, largest difference {difference:.2e}")
    print(f"largest difference {worst:.2e}, allowed {options.limit:.0e}")
    sys.exit(worst > options.limit)


if __name__ == "__main__":
    main()
