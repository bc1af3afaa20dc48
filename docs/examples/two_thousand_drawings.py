"""Make what the walkthrough sends: a thousand MNIST digits, and a thousand turned by 45 degrees.

Writes, into the working directory, drawings-1.bin and drawings-2.bin (a thousand drawings of 784 bytes each) and
truth.txt (what each of the two thousand shows). PIXELWISE_MNIST_DIR names the folder with MNIST's files.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from training.mnist import load

DEGREES = 45
# Of the test set, which no model is trained on: `python -m training` leaves out what it finds of it in an export.
numbers = load("t10k")
images, labels = numbers.images[:2000], numbers.labels[:2000]
turned = [np.asarray(Image.fromarray(image).rotate(DEGREES, Image.Resampling.BICUBIC)) for image in images[1000:]]
Path("drawings-1.bin").write_bytes(images[:1000].tobytes())
Path("drawings-2.bin").write_bytes(np.stack(turned).tobytes())
Path("truth.txt").write_text("".join(f"{label}\n" for label in labels))
print(f"1,000 MNIST digits and 1,000 turned by {DEGREES} degrees")
