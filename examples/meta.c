/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Prints the results that soundclassify puts on buffers: meta [PIPELINE]
 * cc meta.c -o meta $(pkg-config --cflags --libs gstreamer-1.0)
 * The pipeline has a soundclassify add-meta=true and, somewhere after it, an
 * element called sink. */
#include <gst/gst.h>

static void
print_result (const GstStructure * result)
{
  guint64 timestamp;
  gint index;
  gdouble probability;

  if (gst_structure_get (result, "timestamp", G_TYPE_UINT64, &timestamp,
          "index", G_TYPE_INT, &index, "probability", G_TYPE_DOUBLE,
          &probability, NULL))
    g_print ("%.3f %s %d %.8f\n", (gdouble) timestamp / GST_SECOND,
        gst_structure_get_string (result, "label"), index, probability);
}

static GstPadProbeReturn
on_buffer (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, "soundclassify");
  const GValue *results;
  guint i;

  (void) pad;
  (void) data;
  if (meta == NULL)
    return GST_PAD_PROBE_OK;
  results = gst_structure_get_value (gst_custom_meta_get_structure (meta),
      "results");
  for (i = 0; i < gst_value_array_get_size (results); i++)
    print_result (gst_value_get_structure (gst_value_array_get_value (results,
                i)));
  return GST_PAD_PROBE_OK;
}

static int
play (GstElement * pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message;
  GError *error = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
      GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    g_printerr ("%s\n", error->message);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_message_unref (message);
  gst_object_unref (bus);
  if (error == NULL)
    return 0;
  g_error_free (error);
  return 1;
}

int
main (int argc, char **argv)
{
  GstElement *pipeline, *sink = NULL;
  GstPad *pad;
  GError *error = NULL;
  int status = 1;

  gst_init (&argc, &argv);
  pipeline = gst_parse_launch (argc > 1 ? argv[1] :
      "autoaudiosrc ! soundclassify add-meta=true ! fakesink name=sink",
      &error);
  if (error) {
    g_printerr ("%s\n", error->message);
    g_clear_error (&error);
  } else if (!GST_IS_BIN (pipeline)
      || (sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink")) == NULL) {
    g_printerr ("no element is called sink\n");
  } else {
    pad = gst_element_get_static_pad (sink, "sink");
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, NULL, NULL);
    gst_object_unref (pad);
    gst_object_unref (sink);
    status = play (pipeline);
  }
  gst_clear_object (&pipeline);
  return status;
}
