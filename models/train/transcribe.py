# SPDX-License-Identifier: MIT OR Apache-2.0
"""What a model says about a recording: time, best labels and probabilities of the moving ensemble; the features are the crate's.

    python -m models.train.transcribe RECORDING [--model models/default.onnx]
"""
import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from . import calibration, rust_features, quantise
from .settings import HERE, Settings


def ensembles(model, recording, spec, run, oversamples=10, length=10):
    values, _ = rust_features.windows(run, [SimpleNamespace(path=recording)], spec.table(), spec.normalize, oversamples, None)
    return calibration.moving_ensemble(np.log(np.maximum(quantise.predict(model, values), 1e-30)), length)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--model", type=Path, default=HERE.parent / "default.onnx")
    parser.add_argument("--program", help="the program soundclassify [default: the newest in target/]")
    parser.add_argument("--settings", default=HERE / "default.toml")
    parser.add_argument("--every", type=int, default=5, help="print every so many windows")
    options = parser.parse_args()
    labels = options.model.with_suffix(".labels.txt").read_text().splitlines()
    spec = Settings(options.settings).spec
    scores = ensembles(options.model, options.recording, spec, rust_features.program(options.program))
    for w in range(0, len(scores), options.every):
        best = np.argsort(-scores[w])[:3]
        print(f"{w / 10:6.1f}", ", ".join(f"{labels[i]} {scores[w, i]:.2f}" for i in best))


if __name__ == "__main__":
    main()
