/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Prints what soundclassify detects: listen [PIPELINE]
 * cc listen.c -o listen $(pkg-config --cflags --libs gstreamer-1.0) */
#include <gst/gst.h>

static void
print_result (const GstStructure * structure)
{
  guint64 timestamp;
  const gchar *label;
  gint index;
  gdouble probability;

  if (gst_structure_has_name (structure, "soundclassify")
      && gst_structure_get (structure, "timestamp", G_TYPE_UINT64, &timestamp,
          "index", G_TYPE_INT, &index, "probability", G_TYPE_DOUBLE,
          &probability, NULL)) {
    label = gst_structure_get_string (structure, "label");
    g_print ("%.3f %s %d %.8f\n", (gdouble) timestamp / GST_SECOND, label,
        index, probability);
  }
}

/* Returns FALSE at the end of the stream. */
static gboolean
handle (GstMessage * message, int *status)
{
  GError *error;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      print_result (gst_message_get_structure (message));
      return TRUE;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      g_printerr ("%s\n", error->message);
      g_clear_error (&error);
      *status = 1;
      return FALSE;
    default:
      return FALSE;
  }
}

int
main (int argc, char **argv)
{
  GstElement *pipeline;
  GstMessage *message;
  GstBus *bus;
  GError *error = NULL;
  gboolean more = TRUE;
  int status = 0;

  gst_init (&argc, &argv);
  pipeline = gst_parse_launch (argc > 1 ? argv[1] :
      "autoaudiosrc ! soundclassify ! fakesink", &error);
  if (error) {
    g_printerr ("%s\n", error->message);
    g_clear_error (&error);
    /* It may contain the elements that did not fail. */
    gst_clear_object (&pipeline);
    return 1;
  }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  bus = gst_element_get_bus (pipeline);
  while (more) {
    message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
        GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
    more = handle (message, &status);
    gst_message_unref (message);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  return status;
}
