# SPDX-License-Identifier: MIT OR Apache-2.0
"""Training of the models of soundclassify."""
