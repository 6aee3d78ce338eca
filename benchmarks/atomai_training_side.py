"""AtomAI's side of the comparison of trainers; runs in its environment, imports nothing of scanseg.

atomai_training_side.py NETWORK.py ARGUMENTS.json BATCHES.npz STEPS UNTIMED
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import time

import numpy as np


class EnoughError(Exception):
    """All steps are taken."""


def main(source: str, arguments: str, data: str, steps: str, untimed: str) -> None:
    """Train a network with AtomAI's own loop, optimiser and loss, and print the time of a step.

    Its validation after every batch is left out.
    """
    import atomai
    import torch

    torch.set_num_threads(1)
    specification = importlib.util.spec_from_file_location("network", source)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    network = module.CompactUnet(**json.loads(arguments))
    with np.load(data) as arrays:
        images, labels = arrays["images"], arrays["labels"][:, None].astype(np.float32)
    batch = 8
    taken = []

    class Segmentor(atomai.models.Segmentor):
        def step(self, e: int) -> None:
            if len(taken) == int(steps):
                raise EnoughError
            batch_of = self.dataloader(e % (len(images) // batch), mode="train")
            cpu_s, wall_s = time.process_time(), time.perf_counter()
            loss = self.train_step(*batch_of)
            taken.append((time.process_time() - cpu_s, time.perf_counter() - wall_s))
            self.loss_acc["train_loss"].append(loss[0])  # its loop prints the last of both
            self.loss_acc["test_loss"].append(np.nan)

    model = Segmentor(network, nb_classes=1)
    with contextlib.suppress(EnoughError):
        model.fit(
            images, labels, images[:batch], labels[:batch], training_cycles=10**6,
            batch_size=batch, plot_training_history=False,
        )  # fmt: skip
    cpu_s, wall_s = np.median(np.array(taken)[int(untimed) :], axis=0)
    print(json.dumps({"cpu_s": cpu_s, "wall_s": wall_s}))


if __name__ == "__main__":
    main(*sys.argv[1:])
