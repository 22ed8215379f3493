"""Reads the event files of a run with TensorBoard's own reader and prints what they hold as JSON.

    pip install tensorboard
    python read_events.py RUN_FOLDER
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import (
    HISTOGRAMS,
    SCALARS,
    EventAccumulator,
)


def read(folder):
    # A size of 0 keeps every event instead of a sample of them.
    events = EventAccumulator(folder, size_guidance={SCALARS: 0, HISTOGRAMS: 0})
    events.Reload()
    tags = events.Tags()
    scalars = {
        tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in sorted(tags[SCALARS])
    }
    histograms = {
        tag: [
            {
                "step": event.step,
                "min": event.histogram_value.min,
                "max": event.histogram_value.max,
                "num": event.histogram_value.num,
                "sum": event.histogram_value.sum,
                "sum_squares": event.histogram_value.sum_squares,
                "bucket_limit": list(event.histogram_value.bucket_limit),
                "bucket": list(event.histogram_value.bucket),
            }
            for event in events.Histograms(tag)
        ]
        for tag in sorted(tags[HISTOGRAMS])
    }
    return {"scalars": scalars, "histograms": histograms}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python read_events.py RUN_FOLDER")
    json.dump(read(sys.argv[1]), sys.stdout, indent=1)
    print()
