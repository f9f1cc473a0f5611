"""Prints what TensorBoard's own reader finds in a directory: `python read_events.py DIRECTORY`, as one JSON object."""
import json, sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1])
events.Reload()
scalars = {tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
images = {tag: [[event.step, event.width, event.height] for event in events.Images(tag)] for tag in events.Tags()["images"]}
print(json.dumps({"scalars": scalars, "images": images}))
