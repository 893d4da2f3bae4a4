# SPDX-License-Identifier: MIT OR Apache-2.0
"""Finds or builds the element, for the pipelines in Python; common.sh does the same for the others."""

import os
import pathlib
import subprocess
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstController", "1.0")
    from gi.repository import GLib, Gst
except (ImportError, ValueError) as missing:
    sys.exit(
        f"error: {missing} for {sys.executable}: "
        "install Debian's python3-gi and gir1.2-gstreamer-1.0, and run this with Debian's /usr/bin/python3"
    )

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")


def prepare():
    """Builds the element, unless GStreamer finds it (installed, or through GST_PLUGIN_PATH)."""
    Gst.init(None)
    if Gst.ElementFactory.find("soundclassify"):
        return
    if subprocess.run(["bash", ROOT / "pipelines/setup.sh"], check=False).returncode:
        sys.exit("error: the element soundclassify was not found; install the plugin or set GST_PLUGIN_PATH to its folder")
    Gst.Registry.get().scan_path(str(TARGET / "release"))


def launch(description):
    prepare()
    try:
        return Gst.parse_launch(description)
    except GLib.Error as error:
        sys.exit(f"error: {error.message}")
