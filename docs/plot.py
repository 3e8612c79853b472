"""Draws docs/huber.svg: a loss and its gradient, for three values of its param.

pip install matplotlib && python docs/plot.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import lossc

HERE = Path(__file__).parent
COLOURS = {0.5: "#c2410c", 1: "#0f766e", 2: "#4338ca"}


def main() -> None:
    """Write the picture."""
    huber = lossc.load(HERE.parent / "examples" / "huber.loss").huber
    errors = np.linspace(-3, 3, 241)
    plt.rcParams |= {"svg.hashsalt": "lossc", "font.size": 9, "svg.fonttype": "none"}
    figure, panels = plt.subplots(1, 2, figsize=(7, 2.4), layout="constrained")
    for delta, colour in COLOURS.items():
        for panel, curve in zip(panels, curves(huber, errors, delta), strict=True):
            panel.plot(errors, curve, color=colour, label=f"delta = {delta}")
    for panel, title in zip(panels, ("huber(0, yhat)", "its gradient in yhat"), strict=True):
        panel.set_title(title, fontsize=9)
        panel.set_xlabel("yhat")
        panel.grid(alpha=0.25, linewidth=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False)
    figure.savefig(HERE / "huber.svg", metadata={"Date": None})


def curves(loss: lossc.Loss, errors: np.ndarray, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """The loss and its gradient at each error, for a batch of one."""
    yhat = tf.constant(errors)
    with tf.GradientTape() as tape:
        tape.watch(yhat)
        values = loss.per_sample(tf.zeros_like(yhat), yhat, delta=delta)
    return values.numpy(), tape.gradient(values, yhat).numpy()


if __name__ == "__main__":
    main()
