# SPDX-License-Identifier: MIT OR Apache-2.0
"""`live --mqtt` at a null sink, with a broker that is stopped and started ten times: events, memory, threads, descriptors.

usage: broker.py MINUTES SOUNDCLASSIFY (run by broker.sh)
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

STOPS = 10
AWAY = (5, 90)  # seconds without a broker, of an hour
SAMPLE = 10  # seconds between two measurements
LIMITS = {"memory, MiB": 16, "threads": 2, "descriptors": 4}  # growth from the second fifth to the last
SOUNDS = pathlib.Path("/usr/share/sounds")
NAME = "broker-test"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(condition, fault, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(fault)
        time.sleep(0.1)


class Broker:
    """A real mosquitto, which keeps what its subscriber has not had."""

    def __init__(self, folder, port):
        self.port, self.process = port, None
        self.configuration = folder / "mosquitto.conf"
        self.configuration.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
            "user root\nmax_queued_messages 0\n")

    def start(self):
        program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([program, "-c", self.configuration], **quiet)
        wait_until(self.answers, "mosquitto does not answer")

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def subscribe(self, output):
        words = ["-h", "127.0.0.1", "-p", str(self.port), "-v", "-q", "1", "-c", "-i", "all", "-t", "#"]
        return subprocess.Popen(["mosquitto_sub", *words], stdout=output)


def start_sound_server(folder):
    """A PulseAudio with a null sink, which plays the desktop's sounds one after another."""
    os.environ.update(XDG_RUNTIME_DIR=str(folder), PULSE_RUNTIME_PATH=str(folder / "pulse"), HOME=str(folder))
    modules = ["--load=module-native-protocol-unix", "--load=module-null-sink sink_name=played"]
    server = subprocess.Popen(["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", *modules], stderr=subprocess.DEVNULL)
    files = " ".join(f"'{file}'" for file in sorted(SOUNDS.rglob("*")) if file.suffix in (".oga", ".wav"))
    play = "gst-launch-1.0 -q filesrc location=$file ! decodebin ! audioconvert ! audioresample ! pulsesink device=played"
    script = f"while true; do for file in {files}; do {play}; sleep 1; done; done"
    player = subprocess.Popen(["bash", "-c", script], start_new_session=True, stderr=subprocess.DEVNULL)
    return server, player


def usage_of(process):
    """Memory in MiB, threads and descriptors."""
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return (int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), len(os.listdir(f"/proc/{process.pid}/fd")))


def watch(live, broker, seconds):
    """Stops and starts the broker at random; what the program uses over time."""
    began, seen, stops, back = time.monotonic(), [], 0, None
    while (at := time.monotonic() - began) < seconds and live.poll() is None:
        if back is None and stops < STOPS and at > (stops + 1) * seconds / (STOPS + 1):
            broker.stop()
            stops, back = stops + 1, at + random.uniform(*AWAY) * min(1, seconds / 3600)
        elif back is not None and at > back:
            broker.start()
            back = None
        seen.append(usage_of(live))
        time.sleep(min(SAMPLE, seconds / 200))
    if back is not None:
        broker.start()
    print(f"the broker was stopped {stops} times")
    return seen


def step(event):
    return event["event-id"], event["kind"], event["label"], event["duration"]


def lost(printed, received):
    """Events that the program printed and that did not arrive, or in another order."""
    wanted = [step(event) for event in map(json.loads, printed) if event.get("type") == "event"]
    topic = f"soundclassify/{NAME}/event "
    # At most once more than once: a message whose receipt was not confirmed is sent again.
    found = list(dict.fromkeys(step(json.loads(line.split(" ", 1)[1])) for line in received if line.startswith(topic)))
    print(f"{len(wanted)} events printed, {len(found)} received, {'in order' if wanted == found else 'different'}")
    return not wanted or wanted != found


def grown(seen):
    """Whether something grew from the second fifth of the time to the last."""
    fifth = len(seen) // 5
    faults = False
    for index, (name, limit) in enumerate(LIMITS.items()):
        values = [sample[index] for sample in seen]
        early, late = statistics.median(values[fifth:2 * fifth]), statistics.median(values[-fifth:])
        print(f"{name}: {early:.0f} in the second fifth, {late:.0f} in the last, {max(values):.0f} at most")
        faults |= late - early > limit
    return faults


def main(minutes, program):
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as at_the_end:
        folder = pathlib.Path(folder)
        broker = Broker(folder, free_port())
        broker.start()
        at_the_end.callback(broker.stop)
        subscriber = broker.subscribe((folder / "received").open("w"))
        at_the_end.callback(subscriber.terminate)
        server, player = start_sound_server(folder)
        at_the_end.callback(server.terminate)
        at_the_end.callback(os.killpg, player.pid, signal.SIGKILL)
        sound = lambda: subprocess.run(["pactl", "info"], capture_output=True).returncode == 0  # noqa: E731
        wait_until(sound, "PulseAudio does not answer")
        words = ["live", "--device", "played.monitor", "--events", "--json", "--no-discovery"]
        words += ["--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--name", NAME]
        live = subprocess.Popen([program, *words], stdout=(folder / "printed").open("w"))
        at_the_end.callback(live.kill)
        seen = watch(live, broker, minutes * 60)
        if live.poll() is not None:
            sys.exit(f"the program ended with {live.returncode}")
        # Not Ctrl-C, which programs ignore that a shell starts in the background.
        live.terminate()
        live.wait(60)
        read = lambda name: (folder / name).read_text().splitlines()  # noqa: E731
        wait_until(lambda: any(line.endswith("offline") for line in read("received")[-3:]), "the program's end did not arrive")
        failed = lost(read("printed"), read("received"))
        return grown(seen) or failed


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(float(sys.argv[1]), sys.argv[2]))
