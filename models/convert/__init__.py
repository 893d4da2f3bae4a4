# SPDX-License-Identifier: MIT OR Apache-2.0
"""Networks that others trained, converted to ONNX with a manifest."""
