// SPDX-License-Identifier: MIT OR Apache-2.0
// One process of benches/pairs.py: pushes buffers of 10 ms (S16LE, one channel: a tone in noise) through soundclassify.
//
//   pairs MODEL RATE BUFFERS SLEEP SYNC OVERSAMPLES
//
// SLEEP: µs between two buffers. Prints the time from NULL to PLAYING, the processor time of the process, and the time of
// each buffer, µs, one a line.
#include <gst/gst.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static GstFlowReturn drop(GstPad *pad, GstObject *parent, GstBuffer *buffer) {
  (void)pad;
  (void)parent;
  gst_buffer_unref(buffer);
  return GST_FLOW_OK;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static double processor_time(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static GstBuffer *next_buffer(int number, int frames, int rate) {
  static unsigned seed = 1;
  static long sample = 0;
  GstBuffer *buffer = gst_buffer_new_allocate(NULL, frames * 2, NULL);
  GstMapInfo map;
  gst_buffer_map(buffer, &map, GST_MAP_WRITE);
  for (int frame = 0; frame < frames; frame++) {
    seed = seed * 1664525u + 1013904223u;
    ((gint16 *)map.data)[frame] = ((int)(seed >> 16) - 32768) / 8 + 8000 * sin(sample++ * 0.05);
  }
  gst_buffer_unmap(buffer, &map);
  GST_BUFFER_PTS(buffer) = gst_util_uint64_scale(number, (guint64)frames * GST_SECOND, rate);
  GST_BUFFER_DURATION(buffer) = GST_SECOND / 100;
  return buffer;
}

static GstElement *make(char **arguments) {
  GstElement *element = gst_element_factory_make("soundclassify", NULL);
  if (element == NULL) {
    fprintf(stderr, "error: no element soundclassify in GST_PLUGIN_PATH\n");
    exit(1);
  }
  gst_util_set_object_arg(G_OBJECT(element), "model", arguments[1]);
  gst_util_set_object_arg(G_OBJECT(element), "sync", arguments[5]);
  gst_util_set_object_arg(G_OBJECT(element), "oversamples", arguments[6]);
  return element;
}

static GstPad *begin(GstElement *element, int rate) {
  GstPad *source = gst_pad_new("src", GST_PAD_SRC), *sink = gst_pad_new("sink", GST_PAD_SINK);
  gst_pad_set_chain_function(sink, drop);
  gst_pad_set_active(source, TRUE);
  gst_pad_set_active(sink, TRUE);
  gst_pad_link(source, gst_element_get_static_pad(element, "sink"));
  gst_pad_link(gst_element_get_static_pad(element, "src"), sink);
  double start = now();
  if (gst_element_set_state(element, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    fprintf(stderr, "error: soundclassify does not start\n");
    exit(1);
  }
  printf("%.1f\n", now() - start);
  GstCaps *caps = gst_caps_new_simple("audio/x-raw", "format", G_TYPE_STRING, "S16LE", "rate", G_TYPE_INT, rate, "channels",
                                      G_TYPE_INT, 1, "layout", G_TYPE_STRING, "interleaved", NULL);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(source, gst_event_new_stream_start("pairs"));
  gst_pad_push_event(source, gst_event_new_caps(caps));
  gst_pad_push_event(source, gst_event_new_segment(&segment));
  return source;
}

int main(int count, char **arguments) {
  gst_init(&count, &arguments);
  if (count != 7) {
    fprintf(stderr, "usage: pairs MODEL RATE BUFFERS SLEEP SYNC OVERSAMPLES\n");
    return 2;
  }
  int rate = atoi(arguments[2]), buffers = atoi(arguments[3]), sleep_time = atoi(arguments[4]);
  GstElement *element = make(arguments);
  GstBus *bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  GstPad *source = begin(element, rate);
  double *times = calloc(buffers, sizeof *times);
  for (int number = 0; number < buffers; number++) {
    GstBuffer *buffer = next_buffer(number, rate / 100, rate);
    double start = now();
    gst_pad_push(source, buffer);
    times[number] = now() - start;
    GstMessage *message;
    while ((message = gst_bus_pop(bus)) != NULL) gst_message_unref(message);
    if (sleep_time > 0) usleep(sleep_time);
  }
  printf("%.0f\n", processor_time());
  for (int number = 0; number < buffers; number++) printf("%.2f\n", times[number]);
  fflush(stdout);
  gst_element_set_state(element, GST_STATE_NULL);
  return 0;
}
