# SPDX-License-Identifier: MIT OR Apache-2.0
"""Training on your own sounds."""
