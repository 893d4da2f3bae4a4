# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the features are; the crate computes them (`rust_features`)."""
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class FeatureSpec:
    """What a manifest's `[features]` and `normalize` say. Lengths in samples unless named otherwise."""

    preset: str
    rate: int = 16000
    window: float = 0.975  # seconds
    n_fft: int = 512
    win_length: int = 400
    hop: int = 160
    mels: int = 64
    fmin: float | None = None  # Hz; None: the preset's
    frames: int = 96
    center: bool = False
    normalize: str = "none"

    @property
    def reach(self):
        """Samples of the first frame before its place in the grid."""
        return self.n_fft // 2 if self.center else 0

    @property
    def support(self):
        """Samples that the frames of one window touch."""
        return (self.frames - 1) * self.hop + (self.n_fft if self.center else self.win_length)

    @property
    def offset(self):
        """What is added before the logarithm, where a gain can be applied to the features later; else None."""
        return 1e-3 if self.preset == "yamnet" and self.normalize == "none" else None

    def first_frame(self, second):
        """First frame of the window that begins after so many seconds, half away from zero."""
        return (2 * second * self.rate + self.hop) // (2 * self.hop)

    def table(self):
        """The manifest's `[features]`."""
        preset = PRESETS[self.preset]
        others = {"n-mels": (self.mels, preset.mels), "fmin": (self.fmin, preset.fmin)}
        return {"preset": self.preset} | {name: own for name, (own, usual) in others.items() if own != usual}


YAMNET = FeatureSpec("yamnet")
FSDKAGGLE = FeatureSpec("fsdkaggle2018", rate=44100, window=1.0, n_fft=2560, win_length=2560, hop=347, mels=128, frames=128,
                        center=True, normalize="minmax")
PRESETS = {spec.preset: spec for spec in (
    YAMNET, FSDKAGGLE,
    replace(FSDKAGGLE, preset="fsdkaggle2018-small", rate=16000, n_fft=1280, win_length=1280, hop=253, mels=64, frames=64))}


def spec_from(table):
    """A FeatureSpec from a settings table: `preset`, and `normalize`, `n-mels` and `fmin` where they are others than the preset's."""
    unknown = set(table) - {"preset", "normalize", "n-mels", "fmin"}
    if unknown:
        raise ValueError(f"unknown feature settings: {', '.join(sorted(unknown))}; expected preset, normalize, n-mels and fmin")
    spec = PRESETS[table["preset"]]
    return replace(spec, normalize=table.get("normalize", spec.normalize), mels=table.get("n-mels", spec.mels), fmin=table.get("fmin"))
