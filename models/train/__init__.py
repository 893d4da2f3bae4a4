# SPDX-License-Identifier: MIT OR Apache-2.0
"""Training of the models of soundclassify."""

import os

# ONNX Runtime reads this when it is imported; without it, it writes a device identifier and looks up its maker's host.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
