"""Writes large pictures of few bytes into a directory: baseline.jpg of 48 megapixels, progressive.jpg of 9999x9999."""

import sys
from pathlib import Path

from PIL import Image


def picture(width, height):
    ramp = Image.linear_gradient("L").resize((width, height))
    circle = Image.radial_gradient("L").resize((width, height))
    return Image.merge("RGB", (ramp, circle, ramp.transpose(Image.Transpose.FLIP_TOP_BOTTOM)))


directory = Path(sys.argv[1])
picture(8000, 6000).save(directory / "baseline.jpg", quality=75)
picture(9999, 9999).save(directory / "progressive.jpg", quality=75, progressive=True)
