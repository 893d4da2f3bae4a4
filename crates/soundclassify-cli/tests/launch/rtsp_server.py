# SPDX-License-Identifier: MIT OR Apache-2.0
"""Serves noise, with a picture beside it, over RTSP on a port of the loopback interface, a free one unless given, and
prints the address."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

PIPELINE = """( audiotestsrc is-live=true wave=pink-noise ! audioconvert ! audioresample ! opusenc ! rtpopuspay name=pay1
videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=64,framerate=5/1 ! jpegenc ! rtpjpegpay name=pay0 )"""

Gst.init(None)
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=sys.argv[1] if sys.argv[1:] else "0")
factory = GstRtspServer.RTSPMediaFactory(launch=PIPELINE)
server.get_mount_points().add_factory("/sound", factory)
server.attach(None)
print(f"rtsp://127.0.0.1:{server.get_bound_port()}/sound", flush=True)
GLib.MainLoop().run()
