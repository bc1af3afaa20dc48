"""Pictures of what a model still takes for a digit, for the model card."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from app.classifier.normalise import normalise
from training.evaluate import SURE
from training.report import OnKept

COLUMNS = 12
MOST = 24
ZOOM = 2
TILE = 28 * ZOOM
CAPTION = 13


def draw(found: OnKept, folder: Path) -> Path | None:
    """Write the drawings that are surely read as a digit, with that digit; return the file, None without any."""
    order = np.argsort(-found.answers.confidence)[:MOST]
    chosen = [int(i) for i in order if found.answers.confidence[i] > SURE]
    path = folder / f"mistakes-{found.kept.name.replace(' ', '-')}.png"
    if not chosen:
        path.unlink(missing_ok=True)
        return None
    rows = -(-len(chosen) // COLUMNS)
    sheet = Image.new("L", (COLUMNS * TILE, rows * (TILE + CAPTION)), 255)
    write = ImageDraw.Draw(sheet)
    for place, i in enumerate(chosen):
        x, y = place % COLUMNS * TILE, place // COLUMNS * (TILE + CAPTION)
        drawing = Image.fromarray(255 - normalise(found.kept.images[i : i + 1])[0])
        sheet.paste(drawing.resize((TILE, TILE), Image.Resampling.NEAREST), (x, y))
        write.text((x + TILE // 2 - 3, y + TILE), str(found.answers.read[i]), fill=0)
    folder.mkdir(parents=True, exist_ok=True)
    sheet.quantize(16).save(path, optimize=True)
    return path
