"""Stands in for ``scanseg train``: the events of a training that takes a second.

``python fake_scanseg.py PLAN train DATA --from MODEL -o OUT --name NAME ...``; PLAN is one of
better, worse, slow, error.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path


def tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


def main() -> None:
    plan, *arguments = sys.argv[1:]
    given = dict(zip(arguments[2::2], arguments[3::2], strict=False))
    folder = Path(given["-o"]) / given["--name"]
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text("name: fake\n")
    stems = sorted(path.stem for path in Path(arguments[1]).glob("*.tif"))
    images = [stem for stem in stems if not stem.endswith(("_labels", "_mask"))]
    tell(event="said", text="Split by image.")
    if plan == "error":
        print("Error: 1 errors in the labels, listed above.\nCorrect them.", file=sys.stderr)
        sys.exit(2)
    if plan == "slow":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    for step in range(1, 21):
        tell(event="step", member=0, step=step, n_steps=20, loss=1 / step)
        time.sleep(1.0 if plan == "slow" else 0.01)
    held_out = images[-1:] if len(images) > 1 else []
    after = 0.5 if plan == "worse" else 0.9
    tell(
        event="end", is_better=plan == "better", model=given["--name"], folder=str(folder),
        training=images[:-1] or images, held_out=held_out, figures=[["f1", 0.7, after]],
        f1_of_image_before=dict.fromkeys(held_out or images, 0.7),
        f1_of_image=dict.fromkeys(held_out or images, after), simulated_f1=[0.9, 0.91],
        remarks=[] if held_out else ["Nothing was held out."],
    )  # fmt: skip


if __name__ == "__main__":
    main()
