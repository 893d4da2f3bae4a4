#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Prints the microphones that GStreamer finds, with the option of microphone.sh that chooses each.

    pipelines/list-microphones.py
"""

import sys

from common import Gst

# Elements, the property that names the device, and the option of microphone.sh.
SOURCES = {"pulsesrc": ("device", "--pulse"), "alsasrc": ("device", "--alsa")}


def choice(device):
    """The option for a device, or the element for a pipeline if microphone.sh has no option for the device."""
    element = device.create_element(None)
    if not element:
        return None
    factory = element.get_factory().get_name()
    name, option = SOURCES.get(factory, ("target-object", None))
    value = element.get_property(name) if element.find_property(name) else None
    if not value:
        return None
    return f"{option} {value}" if option else f"{factory} {name}={value}"


def main():
    if sys.argv[1:]:
        print(__doc__)
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    Gst.init(None)
    monitor = Gst.DeviceMonitor()
    # Includes sound systems that are hidden by others, such as ALSA by PulseAudio.
    monitor.set_show_all_devices(True)
    monitor.add_filter("Audio/Source", None)
    monitor.start()
    found = dict.fromkeys((choice(device), device.get_display_name()) for device in monitor.get_devices() or [])
    monitor.stop()
    found.pop((None, None), None)
    for option, name in found:
        if option:
            print(f"{option}  ({name})")
    if not any(option for option, _ in found):
        print("no microphone found", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
