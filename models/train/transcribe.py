# SPDX-License-Identifier: MIT OR Apache-2.0
"""What a model says about a recording, without the crate: time, best label and probability of the moving ensemble.

    python -m models.train.transcribe RECORDING [--model models/default.onnx]
"""
import argparse
from pathlib import Path

import numpy as np

from . import calibration, dataset, features, quantise
from .settings import HERE, Settings


def ensembles(model, audio, spec, oversamples=10, length=10):
    p = quantise.predict(model, features.windows(audio, spec, oversamples))
    return calibration.moving_ensemble(np.log(np.maximum(p, 1e-30)), length)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording")
    parser.add_argument("--model", type=Path, default=HERE.parent / "default.onnx")
    parser.add_argument("--settings", default=HERE / "default.toml")
    parser.add_argument("--every", type=int, default=5, help="print every so many windows")
    options = parser.parse_args()
    labels = options.model.with_suffix(".labels.txt").read_text().splitlines()
    spec = Settings(options.settings).spec
    scores = ensembles(options.model, dataset.load_audio(options.recording, spec.rate), spec)
    for w in range(0, len(scores), options.every):
        best = np.argsort(-scores[w])[:3]
        print(f"{w / 10:6.1f}", ", ".join(f"{labels[i]} {scores[w, i]:.2f}" for i in best))


if __name__ == "__main__":
    main()
