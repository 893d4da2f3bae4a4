# SPDX-License-Identifier: MIT OR Apache-2.0
"""The program `soundclassify`, whose results the package must give, too."""

import json
import os
import subprocess

import pytest


@pytest.fixture(scope="session")
def program():
    """Runs the program; its element is what the numbers are compared with."""
    path = os.environ.get("SOUNDCLASSIFY_PROGRAM")
    if not path:
        pytest.skip("SOUNDCLASSIFY_PROGRAM does not name the program; tests/python.sh sets it")

    environment = os.environ | {"ORT_DYLIB_PATH": os.environ["SOUNDCLASSIFY_RUNTIME"]}

    def run(*arguments, status=0):
        command = [path, *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        assert done.returncode == status, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def records(program):
    """Objects that `soundclassify file --json` prints."""

    def run(*arguments):
        return [json.loads(line) for line in program("file", "--json", *arguments).splitlines()]

    return run
