"""Makes pictures.json: small pictures of many kinds, and how many bytes of each file Pillow needs at the least.

    python tests/golden/pictures.py

Each file that is longer, up to the whole one and anything behind it, is accepted by Pillow; each that is shorter is not. Of
JPEG files whose end is missing, and nothing but the two bytes of the end, Pillow accepts about one in twenty: where the data
happens to fill libjpeg's buffer. No such file is here.
"""

import io
import json
import random
import struct
import zlib
from pathlib import Path

import PIL
from PIL import Image

WIDTH, HEIGHT = 23, 17


def picture(mode="RGB"):
    """Colours that run from corner to corner, and some noise."""
    generator = random.Random(7)
    image = Image.new("RGB", (WIDTH, HEIGHT))

    def level(x, y, channel):
        return int(40 + 5 * x - 3 * y * (channel - 1) + generator.randint(-9, 9)) % 256

    image.putdata([tuple(level(x, y, channel) for channel in range(3)) for y in range(HEIGHT) for x in range(WIDTH)])
    return image.convert(mode)


def saved(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(depth, colour_type, samples, interlaced=False, before=(), pieces=1):
    """A PNG file that Pillow does not write: `samples` are of each pixel, as wide as `depth` says."""
    passes = [(0, 1, 0, 1)]
    if interlaced:
        passes = [(0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2)]
    rows = b""
    for left, across, top, down in passes:
        for y in range(top, HEIGHT, down):
            values = [value for x in range(left, WIDTH, across) for value in samples(x, y)]
            bits = "".join(f"{value:0{depth}b}" for value in values)
            bits += "0" * (-len(bits) % 8)
            rows += b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    data = zlib.compress(rows, 9)
    size = -(-len(data) // pieces)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, int(interlaced))
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(before)
    for begin in range(0, len(data), size):
        file += chunk(b"IDAT", data[begin : begin + size])
    return file + chunk(b"IEND", b"")


def pixel(channels, most):
    return lambda x, y: [(911 * x + 577 * y + 203 * x * y * channel) % (most + 1) for channel in range(channels)]


def accepts(file):
    try:
        Image.open(io.BytesIO(file)).convert("RGB")
        return True
    except (OSError, SyntaxError):
        return False


def files():
    colours = picture()
    yield "baseline", saved(colours, "JPEG")
    yield "baseline, 4:4:4", saved(colours, "JPEG", quality=60, subsampling=0)
    yield "baseline, 4:2:2", saved(colours, "JPEG", quality=60, subsampling=1)
    yield "baseline, own tables", saved(colours, "JPEG", quality=60, optimize=True)
    yield "baseline, restarts", saved(colours, "JPEG", quality=60, restart_marker_blocks=2)
    yield "baseline, grey", saved(picture("L"), "JPEG", quality=60)
    yield "baseline, CMYK", saved(picture("CMYK"), "JPEG", quality=60)
    yield "progressive", saved(colours, "JPEG", quality=60, progressive=True)
    yield "progressive, 4:4:4", saved(colours, "JPEG", quality=60, progressive=True, subsampling=0)
    yield "progressive, grey", saved(picture("L"), "JPEG", quality=60, progressive=True)
    yield "progressive, CMYK", saved(picture("CMYK"), "JPEG", quality=60, progressive=True)
    described = dict(exif=colours.getexif().tobytes() + bytes(300), comment=b"a comment", icc_profile=bytes(500))
    yield "baseline, described", saved(colours, "JPEG", quality=60, **described)
    yield "PNG", saved(colours, "PNG")
    yield "PNG, alpha", saved(picture("RGBA"), "PNG")
    yield "PNG, palette", saved(colours.quantize(13), "PNG")
    yield "PNG, grey", saved(picture("L"), "PNG")
    yield "PNG, black and white", saved(picture("1"), "PNG")
    yield "PNG, 16 bits grey", png(16, 0, pixel(1, 65535))
    yield "PNG, 16 bits", png(16, 2, pixel(3, 65535))
    yield "PNG, 16 bits, alpha", png(16, 6, pixel(4, 65535))
    yield "PNG, 16 bits grey, alpha", png(16, 4, pixel(2, 65535))
    yield "PNG, transparent colour", png(8, 2, pixel(3, 255), before=[chunk(b"tRNS", bytes(6))])
    yield "PNG, interlaced", png(8, 2, pixel(3, 255), interlaced=True)
    yield "PNG, interlaced, 16 bits", png(16, 6, pixel(4, 65535), interlaced=True)
    yield "PNG, interlaced, 2 bits grey", png(2, 0, pixel(1, 3), interlaced=True)
    palette = chunk(b"PLTE", bytes(range(48)))
    yield "PNG, interlaced, palette", png(4, 3, pixel(1, 15), interlaced=True, before=[palette])
    texts = [chunk(b"tEXt", b"Comment\0" + b"words " * 50), chunk(b"zTXt", b"More\0\0" + zlib.compress(bytes(9999)))]
    yield "PNG, described, in pieces", png(8, 2, pixel(3, 255), before=texts, pieces=9)
    frame = struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 1, 0, 0)
    animation = [chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"fcTL", frame)]
    yield "PNG, animated", png(8, 2, pixel(3, 255), before=animation)


def main():
    rows = []
    for name, file in files():
        accepted = [accepts(file[:length]) for length in range(len(file) + 1)]
        first = accepted.index(True)
        assert all(accepted[first:]), name
        assert first == len(file) or file.startswith(b"\x89PNG"), name
        assert accepts(file + b"what follows \xff\xd8\xff\xd9" * 9), name
        rows.append({"name": name, "whole_from": first, "file": file.hex()})
    text = json.dumps({"pillow": PIL.__version__, "pictures": rows}, indent=0)
    Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
