"""What several tests of readers look at."""

import numpy as np
from numpy.typing import NDArray

from scanseg.micrograph import Micrograph, Stack


def all_frames(image: Micrograph | Stack) -> NDArray[np.generic]:
    """Pixels of every frame, shape (frames, height, width)."""
    return np.stack([frame.data for frame in image.frames()])
