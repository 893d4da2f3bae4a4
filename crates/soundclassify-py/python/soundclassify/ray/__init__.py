# SPDX-License-Identifier: MIT OR Apache-2.0
"""Archives on a Ray cluster: the program `soundclassify-ray`, and its parts for one's own pipelines.

`soundclassify.ray.rows.Rows` also serves other engines: it turns paths into Arrow tables (`docs/SCALE.md` shows Spark).
"""
