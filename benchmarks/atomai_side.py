"""AtomAI's side of the comparison; runs in AtomAI's environment and imports nothing of scanseg.

atomai_side.py train TRAIN.npz MODEL CYCLES
atomai_side.py predict MODEL FOLDER OUT.npz {refine|locate}
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def train(data: str, model_path: str, cycles: str) -> None:
    """Train AtomAI's default U-Net with AtomAI's own loop, as its tutorials do.

    Validation at every tenth cycle instead of each saves a quarter of the time and changes no
    weight; the weights are stored every 25 cycles, since AtomAI itself cannot go on later.
    """
    import matplotlib

    matplotlib.use("Agg")
    import atomai

    class Segmentor(atomai.models.Segmentor):
        def step(self, e: int) -> None:
            if e % 10 == 0:
                super().step(e)
            else:
                loss = self.train_step(*self.dataloader(self.batch_idx_train[e], mode="train"))
                self.loss_acc["train_loss"].append(loss[0])
            if e % 25 == 24:
                self.save_model(model_path)

    with np.load(data) as arrays:
        images, masks = arrays["images"], arrays["masks"]
    # Its predict scales each image to 0..1; its training does not, so that is done here.
    low = images.min(axis=(1, 2), keepdims=True)
    images = ((images - low) / np.ptp(images, axis=(1, 2), keepdims=True)).astype(np.float32)
    images, masks = images[:, None], masks[:, None].astype(np.float32)
    n_test = 16  # a validation set smaller than the batch stops it with an error
    model = Segmentor("Unet", nb_classes=1)
    model.fit(
        images[n_test:],
        masks[n_test:],
        images[:n_test],
        masks[:n_test],
        training_cycles=int(cycles),
        batch_size=16,
        print_loss=10,
        plot_training_history=False,
        filename=model_path,
    )
    model.save_model(model_path)


def predict(model_path: str, folder: str, out: str, how: str) -> None:
    """Find the columns of every image of a folder: Segmentor, Locator and, if asked, refinement."""
    import atomai
    import tifffile

    model = atomai.load_model(model_path + ".tar")
    found = {}
    # One image at a time: as one stack, all would be scaled by the brightest of them.
    for path in sorted(Path(folder).glob("*.tif")):
        image = tifffile.imread(path).astype(np.float32)
        _, coordinates = model.predict(image, refine=how == "refine", verbose=False)
        found[path.name] = coordinates[0][:, :2]
    np.savez(out, **found)


if __name__ == "__main__":
    {"train": train, "predict": predict}[sys.argv[1]](*sys.argv[2:])
