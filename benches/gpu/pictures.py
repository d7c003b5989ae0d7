"""How alike the pictures of two folders are: `python3 benches/gpu/pictures.py A B`, needs numpy and pillow.

Pictures of the same name are compared: decibels, the largest byte, and whether both show the same thing to a judge that knows the built-in
model's world: colour of thing and ground, place, and shape (the two things cover each other by 90 %). Prints one JSON object.
"""

import json
import pathlib
import sys

import numpy as np
from PIL import Image

COLOURS = {
    "red": (215, 30, 30), "orange": (242, 130, 15), "yellow": (248, 205, 0), "green": (30, 150, 55),
    "cyan": (0, 190, 205), "blue": (30, 65, 210), "purple": (125, 40, 170), "pink": (240, 75, 160),
}
GROUNDS = {
    "white": (248, 248, 248), "gray": (135, 135, 135), "blue": (120, 170, 240),
    "green": (145, 218, 145), "yellow": (250, 235, 150), "pink": (250, 172, 200),
}
PLACES = {"center": (0.0, 0.0), "left": (-0.23, 0.0), "right": (0.23, 0.0), "top": (0.0, -0.23), "bottom": (0.0, 0.23)}


def read(path):
    """The pixels of a picture, (height, width, 3)."""
    return np.asarray(Image.open(path).convert("RGB"), np.int64)


def nearest(colour, names):
    return min(names, key=lambda name: float(np.sum((np.asarray(names[name], float) - colour) ** 2)))


def judged(picture):
    height, width, _ = picture.shape
    ys, xs = np.mgrid[:height, :width]
    border = np.minimum(np.minimum(xs, width - 1 - xs), np.minimum(ys, height - 1 - ys)) < 5
    ground = np.median(picture[border], axis=0)
    thing = np.abs(picture - ground).max(2) > 50
    if not thing.any():
        return {"colour": None, "ground": nearest(ground, GROUNDS), "place": None}, thing
    middle = np.array([xs[thing].mean() / width - 0.5, ys[thing].mean() / height - 0.5])
    return {
        "colour": nearest(np.median(picture[thing], axis=0), COLOURS),
        "ground": nearest(ground, GROUNDS),
        "place": min(PLACES, key=lambda name: float(np.sum((np.array(PLACES[name]) - middle) ** 2))),
    }, thing


def main(first, second):
    names = sorted({p.name for p in first.glob("*.png")} & {p.name for p in second.glob("*.png")})
    assert names, f"{first} and {second} have no picture of one name"
    decibels, largest, same = [], [], {"colour": 0, "ground": 0, "place": 0, "shape": 0}
    for name in names:
        a, b = read(first / name), read(second / name)
        error = float(((a - b) ** 2).mean())
        decibels.append(10 * np.log10(255**2 / error) if error else 99.0)
        largest.append(int(np.abs(a - b).max()))
        (left, thing), (right, other) = judged(a), judged(b)
        for what in left:
            same[what] += left[what] == right[what]
        both, either = (thing & other).sum(), (thing | other).sum()
        same["shape"] += bool(either == 0 or both / either >= 0.9)
    report = {
        "pictures": len(names), "identical": sum(byte == 0 for byte in largest), "psnr_mean": round(float(np.mean(decibels)), 2),
        "psnr_worst": round(float(np.min(decibels)), 2), "largest_byte": max(largest),
        "same": {what: round(count / len(names), 4) for what, count in same.items()},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:3]))
