# SPDX-License-Identifier: MIT OR Apache-2.0
"""Fetches networks of others from the internet, or takes them from files, and checks that they are the right ones.

    python -m models.convert.fetch yamnet -o FOLDER          YAMNet that takes spectra (Apache-2.0) and its class map
    python -m models.convert.fetch fsd41 -o FOLDER           the original's 41 classes, frozen graph (MIT)
    python -m models.convert.fetch fsd41 -o FOLDER --from FILE [FILE]     no internet: files that you have

This needs the internet, but for --from. What comes is not part of this project; mind its licence. Needs Python alone.
"""
import argparse
import hashlib
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .files import Failure, staged

CORAL = "https://raw.githubusercontent.com/google-coral/coralmicro/main/models/"
TENSORFLOW = "https://raw.githubusercontent.com/tensorflow/models/master/research/audioset/yamnet/"
ORIGINAL = "https://raw.githubusercontent.com/daisukelab/ml-sound-classifier/fdee30de02d33948a301e3d56b2b890f04810158/"
LIMIT = 256 << 20  # bytes


@dataclass(frozen=True)
class Part:
    """A file and its pinned hash: SHA-256 where its content was at hand; else git's SHA-1 as the repository's tree lists it."""

    url: str
    sha256: str | None = None
    git_sha1: str | None = None

    @property
    def name(self):
        return self.url.rsplit("/", 1)[1]

    def problem(self, content):
        """Why `content` is not this file, or None."""
        if self.sha256:
            expected, found, kind = self.sha256, hashlib.sha256(content).hexdigest(), "SHA-256"
        else:
            expected, found, kind = self.git_sha1, hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(), "git's SHA-1"
        return None if expected == found else f"{kind}: expected {expected}, found {found} ({len(content)} bytes)"


NETWORKS = {
    "yamnet": [
        Part(CORAL + "yamnet_spectra_in.tflite", sha256="0a266465c46718f3fcc4137366be82882a8c93bfcc4f0278581a11d11dddcdf9"),
        Part(TENSORFLOW + "yamnet_class_map.csv", sha256="cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2"),
    ],
    "laser-machine-listener": [
        Part(ORIGINAL + "apps/cnn-laser-machine-listener/cnn-alexbased-laser-machine-listener.pb",
             sha256="052d4ddf29ef9a1a1613ce0d83c601e6aa50c19b3cccc1bc6a991e17492d1880"),
    ],
    # Never seen by this project: hashes from the tree of the repository's last commit.
    "fsd41": [Part(ORIGINAL + "model/mobilenetv2_fsd2018_41cls.pb", git_sha1="2678878748a45435c57e753878041345a6507daa")],
    "fsd41-weights": [Part(ORIGINAL + "model/mobilenetv2_fsd2018_41cls.h5", git_sha1="d461e9d58262ec045bf8fde1b0d76a9b82cfe87e")],
    "fsd41-small": [Part(ORIGINAL + "model/alexbased_small_fsd2018_41cls.pb", git_sha1="fa4633b8ef188f2e5d8fcaaccae975835b2105c7")],
    "fsd41-small-weights": [Part(ORIGINAL + "model/mobilenetv2_small_fsd2018_41cls.h5", git_sha1="869bc183e3166dd5ffc7821ca81afb5894b57840")],
}
NEXT = {
    "yamnet": "{0} --preset yamnet --labels {1} --column display_name --name yamnet --licence Apache-2.0",
    "fsd41": "{0} --preset fsdkaggle2018 --fsdkaggle2018-labels --name fsd41 --licence MIT",
    "fsd41-weights": "{0} --preset fsdkaggle2018 --fsdkaggle2018-labels --name fsd41 --licence MIT",
    "fsd41-small": "{0} --preset fsdkaggle2018-small --fsdkaggle2018-labels --name fsd41-small --licence MIT",
    "fsd41-small-weights": "{0} --preset fsdkaggle2018-small --fsdkaggle2018-labels --name fsd41-small --licence MIT",
    "laser-machine-listener": "{0} --preset fsdkaggle2018-small --labels LABELS.txt --licence MIT",
}


def main():
    parser = argparse.ArgumentParser(prog="models.convert.fetch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("-o", "--out", type=Path, default=Path("."), help="folder for the files")
    parser.add_argument("--from", dest="files", type=Path, nargs="+", metavar="FILE", help="files that you have, any names, in place of the internet")
    parser.add_argument("--accept-hash", action="store_true", help="take files whose hash is another than the pinned one")
    chosen = parser.parse_args()
    parts = NETWORKS[chosen.network]
    try:
        with staged(chosen.out, parts[-1].name) as folder:
            contents = given(parser, parts, chosen.files) if chosen.files else {part: download(part) for part in parts}
            for part, content in contents.items():
                write(folder / part.name, part, content, chosen.accept_hash)
    except Failure as failure:
        sys.exit(f"fetch: {failure}")
    except OSError as error:
        sys.exit(f"fetch: {chosen.out}: {error.strerror}")
    paths = [chosen.out / part.name for part in parts]
    print("next: python -m models.convert " + NEXT[chosen.network].format(*paths) + " -o OUT")


def write(path, part, content, accept_hash):
    problem = part.problem(content)
    if problem and not accept_hash:
        raise Failure(f"{part.name}: {problem}; nothing was written. --accept-hash takes it all the same.")
    print(f"{part.name}: {'NOT THE PINNED HASH, accepted: ' + problem if problem else 'hash is right'}")
    path.write_bytes(content)


def given(parser, parts, files):
    """Content of each part from the files given, matched by hash, else by order."""
    if len(files) != len(parts):
        parser.error(f"--from: expected {len(parts)} files ({', '.join(part.name for part in parts)}), found {len(files)}")
    read = []
    for path in files:
        try:
            read.append(path.read_bytes())
        except OSError as error:
            sys.exit(f"fetch: {path}: {error.strerror}")
    matched = {}
    for part in parts:
        right = next((content for content in read if not part.problem(content)), None)
        if right is not None:
            matched[part] = right
            read.remove(right)
    return {part: matched[part] if part in matched else read.pop(0) for part in parts}


def download(part):
    print(f"from the internet: {part.url}")
    try:
        with urllib.request.urlopen(part.url, timeout=60) as response:
            content = response.read(LIMIT + 1)
    except (urllib.error.URLError, OSError) as error:
        sys.exit(f"fetch: {part.url}: {error}. This needs the internet; --from takes a file that you have.")
    if len(content) > LIMIT:
        sys.exit(f"fetch: {part.url}: larger than {LIMIT} bytes")
    return content


if __name__ == "__main__":
    main()
