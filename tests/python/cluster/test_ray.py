# SPDX-License-Identifier: MIT OR Apache-2.0
"""`soundclassify-ray` on a cluster of three nodes: nodes and drivers die, and the dataset is that of `scan`."""

import collections
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

# Read when Ray is imported: nothing is reported, and slow machines may take their time.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "300"}
# The S3 server takes any key.
os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}

import boto3
import numpy as np
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs
from ray.cluster_utils import Cluster
from recordings import HIGH, LOW, MIDDLE, TONES, tones, write_wav
from soundclassify.ray.dataset import Dataset

FILES, BROKEN, UNIT = 300, 10, 5
NODE = {"num_cpus": 1, "object_store_memory": 100 << 20}
# Limit of each wait, far above what it takes, s.
TIMEOUT = 600


@pytest.fixture(scope="session")
def s3():
    """Address of the server; nodes that start later find it in the environment."""
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    yield os.environ["AWS_ENDPOINT_URL"]
    server.stop()


@pytest.fixture(scope="session")
def cluster(s3):
    """A head and two more nodes, with a CPU each."""
    cluster = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
    cluster.workers = [cluster.add_node(**NODE) for _ in range(2)]
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """300 recordings in folders, 10 of them broken in one of several ways."""
    folder = tmp_path_factory.mktemp("archive")
    rng = np.random.default_rng(1)
    for number in range(FILES):
        path = folder / f"{number % 7:02}" / f"{number:04}.wav"
        path.parent.mkdir(exist_ok=True)
        if number % (FILES // BROKEN) == 7:
            path.write_bytes([b"", b"no sound at all, only words", b"RIFF\x10\0\0\0WAVEjunkjunkjunk"][number // 30 % 3])
            continue
        parts = [(float(rng.choice([LOW, MIDDLE, HIGH, 0.0])), float(rng.uniform(0.6, 3.0))) for _ in range(4)]
        write_wav(path, (32767 * tones(parts)).astype(np.int16), 16000)
    return folder


@pytest.fixture(scope="session")
def scanned(program, archive, tmp_path_factory):
    """Rows of `soundclassify scan` on the same files."""
    output = tmp_path_factory.mktemp("scan") / "out.parquet"
    program("scan", "--quiet", "--model", TONES, archive, "-o", output, status=1)
    return pq.read_table(output)


class Driver:
    """`soundclassify-ray` in a process of its own."""

    def __init__(self, cluster, source, output, *more):
        command = [sys.executable, "-m", "soundclassify.ray.cli", str(source), str(output), "--address", cluster.address]
        command += ["--model", str(TONES), "--unit", str(UNIT), *more]
        # Shells have Ctrl-C ignored by what they start in the background.
        heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
        self.output = output

    def units(self):
        return len(list(Path(self.output).glob("part=*/*.parquet")))

    def wait_for_units(self, count):
        """Until so many files of the dataset are there; it must not be done before."""
        deadline = time.monotonic() + TIMEOUT
        while self.units() < count:
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert self.units() < FILES // UNIT, "done too early to disturb it"

    def finish(self):
        _, errors = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, errors


def rows(dataset):
    columns = [name for name in dataset.schema.names if name != "part"]
    return dataset.to_table(columns=columns).sort_by([("file", "ascending"), ("start", "ascending")]).to_pylist()


def assert_same(found, scanned, name=lambda file: file):
    wanted = scanned.sort_by([("file", "ascending"), ("start", "ascending")]).to_pylist()
    assert len(found) == len(wanted) > 5000
    for one, other in zip(found, wanted, strict=True):
        assert (name(one["file"]), one["label"], one["model"]) == (other["file"], other["label"], other["model"])
        assert (one["error"] is None) == (other["error"] is None)
        if one["label"]:
            figures = [[row[column] for column in ("start", "end", "probability")] for row in (one, other)]
            assert figures[0] == pytest.approx(figures[1], abs=1e-4)


def assert_each_once(output, files):
    filesystem, root = fs.FileSystem.from_uri(output) if "://" in str(output) else (fs.LocalFileSystem(), str(output))
    counts = collections.Counter()
    for info in filesystem.get_file_info(fs.FileSelector(root, recursive=True)):
        if info.path.endswith(".parquet"):
            with filesystem.open_input_file(info.path) as file:
                outcomes = json.loads(pq.read_metadata(file).metadata[b"soundclassify.files"])
            counts.update(outcome["file"] for outcome in outcomes)
    assert len(counts) == files and set(counts.values()) == {1}


def test_nodes_and_drivers_die_and_the_dataset_is_that_of_scan(cluster, archive, scanned, tmp_path):
    output = tmp_path / "out"

    driver = Driver(cluster, archive, output)
    driver.wait_for_units(3)
    begin = time.monotonic()
    driver.process.send_signal(signal.SIGINT)
    status, errors = driver.finish()
    print(f"Ctrl-C: status {status} after {time.monotonic() - begin:.1f} s with {driver.units()} units: {errors.splitlines()[-1]}")
    assert status == 130 and "continues from here" in errors and time.monotonic() - begin < 2.0 + 1.0

    driver = Driver(cluster, archive, output)
    driver.wait_for_units(10)
    cluster.remove_node(cluster.workers.pop(), allow_graceful=False)
    print(f"a node killed with {driver.units()} units")
    driver.wait_for_units(20)
    driver.process.kill()
    driver.finish()
    print(f"the driver killed with {driver.units()} units")
    cluster.workers.append(cluster.add_node(**NODE))

    status, errors = Driver(cluster, archive, output).finish()
    print(errors)

    assert status == 1, "some recordings are broken"
    assert errors.count(".wav: ") <= BROKEN
    assert_each_once(output, FILES)
    dataset = pyarrow.dataset.dataset(output, partitioning="hive")
    assert_same(rows(dataset), scanned)
    assert sum(row["error"] is not None for row in rows(dataset)) == BROKEN
    assert not list(output.glob("**/.*")), "nothing half-written is left"

    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")}
    status, errors = Driver(cluster, archive, output).finish()
    assert status == 1 and "0 files in" in errors and f"{BROKEN} in the dataset failed" in errors
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.parquet")} == before
    refused = Driver(cluster, archive, output, "--threshold", "0.3").finish()
    assert refused[0] == 2 and "threshold" in refused[1]


def test_from_bucket_to_bucket(cluster, s3, archive, scanned):
    client = boto3.client("s3", endpoint_url=s3)
    client.create_bucket(Bucket="archive")
    names = sorted(archive.rglob("*.wav"))
    for path in names:
        client.upload_file(str(path), "archive", f"in/{path.relative_to(archive)}")

    status, errors = Driver(cluster, "s3://archive/in", "s3://archive/out").finish()
    print(errors)

    assert status == 1, errors
    assert_each_once("s3://archive/out", FILES)
    assert len(Dataset("s3://archive/out").done()) == FILES
    filesystem, path = fs.FileSystem.from_uri("s3://archive/out")
    dataset = pyarrow.dataset.dataset(path, filesystem=filesystem, partitioning="hive")
    assert_same(rows(dataset), scanned, lambda file: file.replace("s3://archive/in", str(archive)))


def test_events_of_a_list(cluster, program, archive, tmp_path):
    files = sorted(archive.rglob("*.wav"))[:20]
    (tmp_path / "list.txt").write_text("\n".join(map(str, files)))
    program("scan", "--quiet", "--events", "--model", TONES, tmp_path / "list.txt", "-o", tmp_path / "scan.parquet", status=1)

    status, errors = Driver(cluster, tmp_path / "list.txt", tmp_path / "out", "--events").finish()

    assert status == 1, errors
    found = rows(pyarrow.dataset.dataset(tmp_path / "out", partitioning="hive"))
    wanted = pq.read_table(tmp_path / "scan.parquet").sort_by([("file", "ascending"), ("start", "ascending")]).to_pylist()
    assert [row["file"] for row in found if row["error"]] == [row["file"] for row in wanted if row["error"]], errors
    # Events may begin together.
    key = lambda row: (row["file"], row["start"] or 0, row["label"] or "", row["end"] or 0)  # noqa: E731
    assert len(found) == len(wanted) > 40
    for one, other in zip(sorted(found, key=key), sorted(wanted, key=key), strict=True):
        assert (one["file"], one["label"]) == (other["file"], other["label"])
        assert (one["start"], one["end"], one["peak"]) == pytest.approx((other["start"], other["end"], other["peak"]), abs=1e-4)
