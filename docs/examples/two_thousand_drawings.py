"""Write the drawings of the walkthrough: a thousand MNIST digits, and a thousand turned by 45 degrees.

Writes drawings-1.bin and drawings-2.bin (a thousand drawings of 784 bytes each) and truth.txt (their labels) into the
working directory. PIXELWISE_MNIST_DIR names the folder with MNIST's files.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from training.mnist import load

DEGREES = 45
# From the test set: `python -m training` never trains on it, even if an export contains it.
numbers = load("t10k")
images, labels = numbers.images[:2000], numbers.labels[:2000]
turned = [np.asarray(Image.fromarray(image).rotate(DEGREES, Image.Resampling.BICUBIC)) for image in images[1000:]]
Path("drawings-1.bin").write_bytes(images[:1000].tobytes())
Path("drawings-2.bin").write_bytes(np.stack(turned).tobytes())
Path("truth.txt").write_text("".join(f"{label}\n" for label in labels))
print(f"1,000 MNIST digits and 1,000 turned by {DEGREES} degrees")
