"""Makes resize.json: pictures of several sizes made 32x32 by Pillow, in a horizontal pass and then a vertical one.

    python tests/golden/resize.py

Pictures are interleaved RGB, drawn as in drawn.py and in crates/inference/tests/resize.rs: byte i of a picture of `width`
by `height` is byte i % 16 of the Philox block with key 0 and counter (i // 16, width, height, 18). Neighbours have
nothing in common, so that every weight of every window shows. Each row of the file: width, height, the first 24 bytes
of the result, and the SHA-256 of all of it.

Pillow 13 begins with the vertical pass where that spares work, earlier versions never did. As each pass rounds to bytes, the
results differ then by a level here and there; this script checks that it is no more than that.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

import drawn

PICTURE = 18
SIZES = [(100, 130), (16, 20), (32, 32), (33, 31), (640, 480), (1, 1), (31, 200), (32, 77), (500, 32)]


def picture(width, height):
    blocks = np.arange((3 * width * height + 15) // 16)
    bits = drawn.philox(0, [blocks, np.array(width), np.array(height), np.array(PICTURE)])
    return bits.astype("<u4").view(np.uint8).reshape(-1)[: 3 * width * height].reshape(height, width, 3)


def main():
    rows = []
    for width, height in SIZES:
        image = Image.fromarray(picture(width, height), "RGB")
        resized = image.resize((32, height), Image.BILINEAR).resize((32, 32), Image.BILINEAR)
        direct = image.resize((32, 32), Image.BILINEAR)
        difference = np.abs(np.asarray(resized, np.int16) - np.asarray(direct, np.int16)).max()
        assert difference <= 1, f"{width}x{height}: {difference} levels"
        resized = resized.tobytes()
        rows.append([width, height, list(resized[:24]), hashlib.sha256(resized).hexdigest()])
    text = ",\n".join("    " + json.dumps(row) for row in rows)
    head = f'{{\n  "pillow": "{PIL.__version__}",\n  "pictures": [\n'
    Path(__file__).with_suffix(".json").write_text(head + text + "\n  ]\n}\n")


if __name__ == "__main__":
    main()
