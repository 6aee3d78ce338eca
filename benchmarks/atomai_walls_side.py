"""AtomAI's side of the comparison on walls; runs in its environment, imports nothing of scanseg.

atomai_walls_side.py train TRAIN.npz MODEL SECONDS FILTERS
atomai_walls_side.py predict MODEL FOLDER OUT.npz THRESHOLD MEMBERS
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

# Its convention: classes from 0, the background last.
FERROELECTRIC, FERROELASTIC, BACKGROUND = 0, 1, 2
IGNORED = 255
IGNORED_BY_ITS_LOSS = -100
BATCH = 8


class TimeIsUpError(Exception):
    """The training took what it was given."""


def scaled(amplitude: np.ndarray) -> np.ndarray:
    """An amplitude as its published workflow has it: from 0 to 1; what was not measured is 0."""
    amplitude = np.asarray(amplitude, np.float32)
    low, high = np.nanmin(amplitude), np.nanmax(amplitude)
    return np.nan_to_num((amplitude - low) / max(high - low, 1e-12))


def train(data: str, model_path: str, seconds: str, filters: str) -> None:
    """Train its ResHedNet with its own loop, defaults and optimiser, for so much CPU time.

    Its own validation after every batch is left out, which leaves more time for the training, and
    a batch has 8 scans instead of 32: four times as many steps.
    """
    import atomai
    import torch

    class Segmentor(atomai.models.Segmentor):
        n_steps = 0

        def set_data(self, x, y, x_test, y_test, **kwargs):
            """Walls too faint to tell are left out of the loss, as on the other side."""
            super().set_data(x, np.where(y == IGNORED, BACKGROUND, y), x_test, y_test, **kwargs)
            for number, labels in enumerate(self.y_train):
                part = y[number * self.batch_size : (number + 1) * self.batch_size]
                labels[torch.from_numpy(part == IGNORED)] = IGNORED_BY_ITS_LOSS

        def step(self, e: int) -> None:
            if time.process_time() - start >= float(seconds):
                raise TimeIsUpError
            loss = self.train_step(*self.dataloader(self.batch_idx_train[e], mode="train"))
            self.loss_acc["train_loss"].append(loss[0])
            self.loss_acc["test_loss"].append(np.nan)
            self.n_steps += 1

    with np.load(data) as arrays:
        images = np.stack([scaled(amplitude) for amplitude in arrays["amplitude"]])[:, None]
        labels = arrays["labels"].astype(np.int64)
    test = np.where(labels == IGNORED, BACKGROUND, labels)[:BATCH]
    test.ravel()[: BACKGROUND + 1] = range(BACKGROUND + 1)  # all classes must occur; never used
    model = Segmentor("ResHedNet", nb_classes=3, nb_filters=int(filters))
    start = time.process_time()
    try:
        model.fit(
            images,
            labels,
            images[:BATCH],
            test,
            training_cycles=1_000_000,
            batch_size=BATCH,
            print_loss=25,
            plot_training_history=False,
            filename=model_path,
        )
    except TimeIsUpError:
        model.save_model(model_path)
    losses = model.loss_acc["train_loss"]
    print(
        f"AtomAI: {model.n_steps} steps of {BATCH} scans in {time.process_time() - start:.0f} s "
        f"of CPU, loss {np.mean(losses[:5]):.3f} at first, {np.mean(losses[-20:]):.3f} at last"
    )


def predict(model_path: str, folder: str, out: str, threshold: str, members: str) -> None:
    """Walls of every scan of a folder: network, threshold, skeleton, coordinates and classes.

    The route along the walls that its workflow then looks for is left out.
    """
    import tifffile
    from skimage.morphology import skeletonize

    probability_of = _opened(model_path, int(members))
    found = {}
    for path in sorted(Path(folder).glob("*.tif")):
        with tifffile.TiffFile(path) as file:
            amplitude = file.pages[0].asarray()
        probability = probability_of(scaled(amplitude))
        wall = 1.0 - probability[..., BACKGROUND]
        skeleton = skeletonize(wall >= float(threshold))
        at = np.argwhere(skeleton)
        kind = probability[skeleton][:, :BACKGROUND].argmax(axis=1)
        found[f"{path.stem}/points"] = np.column_stack([at, kind])
        found[f"{path.stem}/probability"] = np.rint(probability * 255).astype(np.uint8)
    np.savez(out, **found)


def _opened(model_path: str, members: int):
    """Image to probability of each class, (height, width, classes): one network, or several.

    Members that are all the same network cost what different ones do.
    """
    import atomai

    model = atomai.load_model(model_path + ".tar")
    if members == 1:
        return lambda image: model.predict(image, compute_coords=False, verbose=False)[0]
    weights = dict.fromkeys(range(members), model.net.state_dict())
    # Without verbose=1 it fails for want of an attribute.
    predictor = atomai.predictors.EnsemblePredictor(model.net, weights, nb_classes=3, verbose=1)
    return lambda image: predictor.predict(image)[0][0]


if __name__ == "__main__":
    {"train": train, "predict": predict}[sys.argv[1]](*sys.argv[2:])
