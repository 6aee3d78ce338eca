"""Files of known contents, written by each test for itself."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture
def scan() -> NDArray[np.uint16]:
    """One image, higher than wide, no side a power of two, every pixel different."""
    return np.arange(37 * 23, dtype=np.uint16).reshape(37, 23) * 13


@pytest.fixture
def movie() -> NDArray[np.uint16]:
    """Five frames, every pixel of every frame different."""
    return np.arange(5 * 37 * 23, dtype=np.uint16).reshape(5, 37, 23)
