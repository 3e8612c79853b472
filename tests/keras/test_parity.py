"""Each loss of Keras is the library's loss of the same name: one can stand for the other.

Inputs are ordinary, and then those at which Keras clips; where the two differ on purpose,
`docs/keras.md` has both values, and the last tests read them there.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

import lossc

ROOT = Path(__file__).parents[2]
K = keras.losses
Rng = np.random.Generator
Data = tuple[np.ndarray, np.ndarray]
REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", None, "none"]
CLASSES = 3


def real(rng: Rng, *lead: int) -> Data:
    return rng.normal(size=(*lead, CLASSES)), rng.normal(size=(*lead, CLASSES))


def positive(rng: Rng, *lead: int) -> Data:
    return rng.uniform(0.2, 3, (*lead, CLASSES)), rng.uniform(0.2, 3, (*lead, CLASSES))


def signs(rng: Rng, *lead: int) -> Data:
    return rng.choice([-1, 1], (*lead, CLASSES)), rng.normal(size=(*lead, CLASSES))


def bits(rng: Rng, *lead: int) -> Data:
    return rng.integers(0, 2, (*lead, CLASSES)), rng.normal(size=(*lead, CLASSES))


def shares(rng: Rng, *lead: int) -> Data:
    return bits(rng, *lead)[0], rng.uniform(0.1, 0.9, (*lead, CLASSES))


def classes(rng: Rng, *lead: int) -> Data:
    return np.eye(CLASSES)[rng.integers(0, CLASSES, lead)], rng.normal(size=(*lead, CLASSES))


def simplex(rng: Rng, *lead: int) -> Data:
    y, z = classes(rng, *lead)
    return y, special.softmax(z, -1)


def mixtures(rng: Rng, *lead: int) -> Data:
    y, z = real(rng, *lead)
    return special.softmax(y, -1), special.softmax(z, -1)


def labels(rng: Rng, *lead: int) -> Data:
    return rng.integers(0, CLASSES, lead), rng.normal(size=(*lead, CLASSES))


def label_shares(rng: Rng, *lead: int) -> Data:
    y, z = labels(rng, *lead)
    return y, special.softmax(z, -1)


def voids(rng: Rng, *lead: int) -> Data:
    y, z = labels(rng, *lead)
    return np.where(rng.random(lead) < 0.4, 255, y), z


def void_shares(rng: Rng, *lead: int) -> Data:
    y, z = voids(rng, *lead)
    return y, special.softmax(z, -1)


def points(rng: Rng, *lead: int) -> Data:
    e = rng.normal(size=(*lead, CLASSES))
    return np.arange(lead[0]) // 2, e / np.linalg.norm(e, axis=-1, keepdims=True)


@cache
def library(name: str) -> lossc.Loss:
    """A loss of the library, run without XLA, which would compile it for each of the shapes."""
    files = (ROOT / "stdlib").glob("*.loss")
    path = next(f for f in files if f"\nloss {name}(" in f.read_text("utf-8"))
    return lossc.load(path, jit=False)[name]


@dataclass(frozen=True)
class Pair:
    """A loss of the library, the Keras class that it stands for, and data for both."""

    name: str
    theirs: Callable[..., Any]
    data: Callable[..., Data]
    params: Mapping[str, Any] = field(default_factory=dict)
    """Params of both."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """What Keras needs besides."""

    def ours(self, **how: Any) -> Any:
        return library(self.name).keras(**self.params, **how)

    def keras(self, **how: Any) -> Any:
        return self.theirs(**self.params, **self.flags, **how)

    def draw(self, *lead: int) -> Data:
        y, p = self.data(np.random.default_rng(5), *lead)
        return (y.astype("float32") if y.dtype == np.float64 else y), p.astype("float32")


LOGITS = {"from_logits": True}
SMOOTH = {"label_smoothing": 0.2}
FOCAL = {"alpha": 0.4, "gamma": 1.5}
BALANCED = {**FOCAL, "apply_class_balancing": True}
VOID = {"ignore_class": 255}

EACH = [
    Pair("mean_squared_error", K.MeanSquaredError, real),
    Pair("mean_absolute_error", K.MeanAbsoluteError, real),
    Pair("mean_absolute_percentage_error", K.MeanAbsolutePercentageError, positive),
    Pair("mean_squared_logarithmic_error", K.MeanSquaredLogarithmicError, positive),
    Pair("huber", K.Huber, real),
    Pair("huber", K.Huber, real, {"delta": 0.4}),
    Pair("log_cosh", K.LogCosh, real),
    Pair("poisson", K.Poisson, positive),
    Pair("hinge", K.Hinge, signs),
    Pair("hinge", K.Hinge, bits),
    Pair("squared_hinge", K.SquaredHinge, signs),
    Pair("squared_hinge", K.SquaredHinge, bits),
    Pair("binary_crossentropy", K.BinaryCrossentropy, shares),
    Pair("binary_crossentropy", K.BinaryCrossentropy, shares, SMOOTH),
    Pair("binary_crossentropy_from_logits", K.BinaryCrossentropy, bits, flags=LOGITS),
    Pair("binary_crossentropy_from_logits", K.BinaryCrossentropy, bits, SMOOTH, LOGITS),
    Pair("binary_focal_crossentropy", K.BinaryFocalCrossentropy, shares),
    Pair("binary_focal_crossentropy", K.BinaryFocalCrossentropy, shares, {**BALANCED, **SMOOTH}),
    Pair("binary_focal_crossentropy_from_logits", K.BinaryFocalCrossentropy, bits,
         {**BALANCED, **SMOOTH}, LOGITS),
]  # fmt: skip

ALONG = [
    Pair("cosine_similarity", K.CosineSimilarity, real),
    Pair("kl_divergence", K.KLDivergence, mixtures),
    Pair("categorical_hinge", K.CategoricalHinge, classes),
    Pair("categorical_crossentropy", K.CategoricalCrossentropy, simplex),
    Pair("categorical_crossentropy", K.CategoricalCrossentropy, mixtures, SMOOTH),
    Pair("categorical_crossentropy_from_logits", K.CategoricalCrossentropy, classes, SMOOTH,
         LOGITS),
    Pair("categorical_focal_crossentropy", K.CategoricalFocalCrossentropy, simplex),
    Pair("categorical_focal_crossentropy", K.CategoricalFocalCrossentropy, mixtures,
         {**FOCAL, **SMOOTH}),
    Pair("categorical_focal_crossentropy_from_logits", K.CategoricalFocalCrossentropy, classes,
         {**FOCAL, **SMOOTH}, LOGITS),
]  # fmt: skip

SPARSE = [
    Pair("sparse_categorical_crossentropy", K.SparseCategoricalCrossentropy, label_shares),
    Pair("sparse_categorical_crossentropy", K.SparseCategoricalCrossentropy, void_shares, VOID),
    Pair("sparse_categorical_crossentropy_from_logits", K.SparseCategoricalCrossentropy, labels,
         flags=LOGITS),
    Pair("sparse_categorical_crossentropy_from_logits", K.SparseCategoricalCrossentropy, voids,
         VOID, LOGITS),
    Pair("categorical_generalized_cross_entropy", K.CategoricalGeneralizedCrossEntropy,
         label_shares, {"q": 0.3}),
]  # fmt: skip

WHOLE = [
    Pair("dice", K.Dice, shares),
    Pair("tversky", K.Tversky, shares),
    Pair("tversky", K.Tversky, shares, {"alpha": 0.3, "beta": 0.8}),
]

CIRCLE = [
    Pair("circle", K.Circle, points, {"gamma": 8}),
    Pair("circle", K.Circle, points, {"gamma": 8, "margin": 0.2, "remove_diagonal": False}),
]

SEPARABLE = [*EACH, *ALONG, *SPARSE]
ALL = [*SEPARABLE, *WHOLE, *CIRCLE]


def named(pairs: Sequence[Pair]) -> list[Any]:
    return [pytest.param(p, id="-".join([p.name, *p.params])) for p in pairs]


def agree(pair: Pair, y: Any, p: Any, weight: Any = None, mask: Any = None, **how: Any) -> None:
    """Both losses give the same numbers in the same shape and, of float32, the same dtype."""

    def value(loss: Any) -> tf.Tensor:
        prediction = tf.constant(p)
        if mask is not None:
            prediction._keras_mask = tf.constant(mask)
        return loss(y, prediction, weight)

    ours, theirs = value(pair.ours(**how)), value(pair.keras(**how))
    assert ours.shape == theirs.shape, how
    assert ours.dtype == theirs.dtype or np.asarray(y).dtype == np.float64, how
    rough = ours.dtype in (tf.float16, tf.bfloat16)
    np.testing.assert_allclose(
        tf.cast(ours, tf.float64), tf.cast(theirs, tf.float64),
        rtol=2e-2 if rough else 2e-5, atol=2e-2 if rough else 1e-6, err_msg=str(how),
    )  # fmt: skip


def is_summed(pair: Pair, y: np.ndarray, weight: Any, reduction: str | None) -> bool:
    """Whether Keras divides by the sum of fewer weights than there are values.

    A loss with `ignore_class` has a weight for each value, and gives the mean.
    """
    filtered = "ignore_class" in lossc.std[pair.name].params and not pair.params
    fewer = weight is not None and np.size(weight) < y.size
    return filtered and fewer and reduction == "mean_with_sample_weight"


def test_every_loss_of_keras_is_here() -> None:
    theirs = {
        getattr(K, n) for n in dir(K)
        if isinstance(getattr(K, n), type) and issubclass(getattr(K, n), K.Loss)
    }  # fmt: skip
    assert theirs - {p.theirs for p in ALL} == {K.Loss, K.CTC}


@pytest.mark.parametrize("pair", named(SEPARABLE))
def test_weights_and_reductions(pair: Pair) -> None:
    y, p = pair.draw(6)
    w = np.array([0.5, 0, 2, 1, 1, 3], "float32")
    for reduction in REDUCTIONS:
        for weight in (None, 2.0, w, w[:, None]):
            if not is_summed(pair, y, weight, reduction):
                agree(pair, y, p, weight, reduction=reduction)


@pytest.mark.deep
@pytest.mark.parametrize("pair", named([EACH[0], SPARSE[3], WHOLE[0], CIRCLE[0]]))
def test_the_compiled_library(pair: Pair) -> None:
    y, p = pair.draw(6)
    found = lossc.std[pair.name].keras(**pair.params)(y, p)
    np.testing.assert_allclose(found, pair.keras()(y, p), rtol=2e-5)


@pytest.mark.deep
@pytest.mark.parametrize("pair", named(SEPARABLE))
def test_timesteps_and_masks(pair: Pair) -> None:
    y, p = pair.draw(4, 5)
    rng = np.random.default_rng(8)
    mask = rng.random((4, 5)) < 0.6
    steps = rng.uniform(0, 2, (4, 5)).astype("float32")
    for reduction in REDUCTIONS:
        for weight in (None, 2.0, steps, steps[:, :1]):
            if not is_summed(pair, y, weight, reduction):
                agree(pair, y, p, weight, reduction=reduction)
            agree(pair, y, p, weight, mask, reduction=reduction)


@pytest.mark.deep
@pytest.mark.parametrize("pair", named(SEPARABLE))
def test_ranks(pair: Pair) -> None:
    for lead in [(3, 2, 2), (3, 2, 2, 2)]:
        for reduction in ("sum_over_batch_size", "sum", None):
            agree(pair, *pair.draw(*lead), reduction=reduction)


@pytest.mark.parametrize("pair", named([*EACH, *WHOLE]))
def test_rank_one(pair: Pair) -> None:
    y, p = pair.draw()
    agree(pair, y, p)


@pytest.mark.parametrize("pair", named(EACH))
def test_squeezed_axes(pair: Pair) -> None:
    y, p = pair.draw(4)
    y, p = y[:, :1], p[:, :1]
    for target, prediction in [(y, p), (y[:, 0], p), (y, p[:, 0])]:
        for reduction in ("sum_over_batch_size", None):
            agree(pair, target, prediction, reduction=reduction)


@pytest.mark.parametrize("pair", named(SPARSE[:4]))
def test_columns_of_labels(pair: Pair) -> None:
    for lead in [(4,), (4, 3)]:
        y, p = pair.draw(*lead)
        agree(pair, y[..., None], p, reduction=None)


@pytest.mark.deep
@pytest.mark.parametrize("pair", named([p for p in ALL if p.draw(4)[0].dtype.kind == "i"]))
def test_labels_of_any_dtype(pair: Pair) -> None:
    y, p = pair.draw(4)
    for dtype in ("int32", "int64", "float32", "float64"):
        agree(pair, y.astype(dtype), p)


@pytest.mark.deep
@pytest.mark.parametrize("pair", named(ALL))
def test_dtypes(pair: Pair) -> None:
    y, p = pair.draw(4)
    for dtype in ("float64", "float16", "bfloat16"):
        agree(pair, y, p, dtype=dtype)


@pytest.mark.parametrize("pair", named(CIRCLE))
def test_anchors(pair: Pair) -> None:
    """A value of the circle loss looks at the whole batch, and is weighted as its own sample."""
    y, p = pair.draw(6)
    w = np.array([0.5, 0, 2, 1, 1, 3], "float32")
    mask = np.array([1, 1, 0, 1, 1, 1], bool)
    for reduction in REDUCTIONS:
        for weight in (None, 2.0, w):
            agree(pair, y, p, weight, reduction=reduction)
            agree(pair, y, p, weight, mask, reduction=reduction)


@pytest.mark.parametrize("pair", named(WHOLE))
def test_whole_batch(pair: Pair) -> None:
    y, p = pair.draw(6)
    agree(pair, y, p)
    agree(pair, y, p, 2.0)


@pytest.mark.parametrize("pair", named(WHOLE))
def test_whole_batch_of_any_rank(pair: Pair) -> None:
    for lead in [(4, 3), (4, 3, 2), (4, 3, 2, 2)]:
        for reduction in REDUCTIONS:
            agree(pair, *pair.draw(*lead), reduction=reduction)


@pytest.mark.deep
@pytest.mark.parametrize("pair", named(ALL))
def test_configs(pair: Pair) -> None:
    y, p = pair.draw(4)
    for reduction in ("sum_over_batch_size", "sum"):
        ours, theirs = pair.ours(reduction=reduction), pair.keras(reduction=reduction)
        mine, config = ours.get_config(), theirs.get_config()
        assert mine["reduction"] == config["reduction"]
        assert mine["params"] == pair.params
        again = type(ours).from_config(mine)
        assert again.get_config() == mine
        np.testing.assert_array_equal(again(y, p), ours(y, p))


# --- where Keras clips, and what it divides by ---------------------------------------------------

HALVES = [[0.0, 0.5, 1.0], [1.0, 0.0, 0.0], [1e-8, 1.0, 1.0]]
HOTS = [[0, 1, 0], [0, 1, 0], [0, 0, 1]]
TINY = [[0.0, 1e-9, 1.0], [1.0, 0.0, 0.0], [1e-8, 3.0, 1e-9]]
CLIPPED = [
    ("binary_crossentropy", K.BinaryCrossentropy, HOTS, HALVES),
    ("binary_focal_crossentropy", K.BinaryFocalCrossentropy, HOTS, HALVES),
    ("categorical_crossentropy", K.CategoricalCrossentropy, HOTS, TINY),
    ("categorical_focal_crossentropy", K.CategoricalFocalCrossentropy, HOTS, TINY),
    ("sparse_categorical_crossentropy", K.SparseCategoricalCrossentropy, [1, 1, 2], HALVES),
    ("kl_divergence", K.KLDivergence, HALVES, HALVES[::-1]),
    ("poisson", K.Poisson, TINY, TINY[::-1]),
    ("mean_absolute_percentage_error", K.MeanAbsolutePercentageError, TINY, TINY[::-1]),
    ("mean_squared_logarithmic_error", K.MeanSquaredLogarithmicError,
     [[-5.0, 0.0, 2.0]], [[-0.5, 1.0, -3.0]]),
    ("cosine_similarity", K.CosineSimilarity,
     [[1.0, 2.0], [1.0, 0.0], [1e-9, 1.0]], [[0.0, 0.0], [1.0, 1.0], [3e-8, 4e-8]]),
    ("dice", K.Dice, [[0.0, 0.0]], [[0.0, 0.0]]),
    ("dice", K.Dice, [[1e-8, 0.0]], [[1.0, 0.0]]),
    ("tversky", K.Tversky, [[0.0, 0.0]], [[0.0, 0.0]]),
]  # fmt: skip


@pytest.mark.parametrize("name, theirs, y, p", CLIPPED, ids=[c[0] for c in CLIPPED])
def test_where_keras_clips(name: str, theirs: Any, y: Any, p: Any) -> None:
    """The values are Keras's, and the gradient is finite where it is Keras's slope or 0."""
    target = np.array(y) if np.array(y).ndim == 1 else np.array(y, "float32")
    prediction = tf.constant(np.array(p, "float32"))
    for reduction in ("sum_over_batch_size", None):
        ours = library(name).keras(reduction=reduction)(target, prediction)
        keras_value = theirs(reduction=reduction)(target, prediction)
        np.testing.assert_allclose(ours, keras_value, rtol=2e-5, atol=1e-6)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = library(name).keras()(target, prediction)
    assert np.isfinite(tape.gradient(value, prediction)).all()


EXACT = [
    ("binary_crossentropy", "log_loss", [[1.0, 0.0, 0.3]], [[1.0, 0.0, 0.5]]),
    ("categorical_crossentropy", "cross_entropy", [[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]),
    ("categorical_crossentropy", "cross_entropy", [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]]),
    ("sparse_categorical_crossentropy", "sparse_cross_entropy", [1, 0], [[0.0, 1.0], [0.5, 0.5]]),
    ("kl_divergence", "relative_entropy", [[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]),
]


@pytest.mark.parametrize("name, exact, y, p", EXACT, ids=[c[0] for c in EXACT])
def test_no_epsilon_is_the_exact_loss(name: str, exact: str, y: Any, p: Any) -> None:
    data = np.array(y), np.array(p)
    assert float(library(name)(*data, epsilon=0)) == float(library(exact)(*data))


def test_a_saturated_sigmoid_trains_on() -> None:
    """Predictions of exactly 0 and 1, some of them wrong, leave finite weights."""
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(256, 4)) * 200).astype("float32")
    y = (x[:, :1] > 0).astype("float32")
    y[:8] = 1 - y[:8]
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.05), loss=library("binary_crossentropy").keras())
    history = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())


# --- what differs on purpose --------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """A row of the table in the manual."""

    ours: str
    keras: str
    target: str
    prediction: str
    value: str
    their_value: str


def differences() -> list[Any]:
    page = (ROOT / "docs/keras.md").read_text("utf-8")
    rows = re.findall(r"^\| `(.+)` \| `(.+)` \| `(.+)` \| `(.+)` \| (\S+) \| (\S+) \|", page, re.M)
    return [pytest.param(Difference(*row), id=row[0] + row[2]) for row in rows]


def evaluated(call: str, scope: Any, row: Difference) -> float:
    """The value of a loss that is written as in the table, `NAME` or `NAME(key=value)`."""
    name, _, given = call.partition("(")
    tree = ast.parse(f"f({given}" if given else "f()", mode="eval").body
    assert isinstance(tree, ast.Call)
    params = {k.arg: ast.literal_eval(k.value) for k in tree.keywords}
    target, prediction = (
        np.array(ast.literal_eval(x)) for x in (row.target, row.prediction)
    )  # fmt: skip
    return float(scope(name)(**params)(target, prediction.astype("float32")))


@pytest.mark.parametrize("row", differences())
def test_differences_on_purpose(row: Difference) -> None:
    ours = evaluated(row.ours, lambda name: lossc.std[name].keras, row)
    theirs = evaluated(row.keras, lambda name: getattr(K, name), row)
    np.testing.assert_allclose(ours, float(row.value), rtol=1e-3)
    np.testing.assert_allclose(theirs, float(row.their_value), rtol=1e-3)
    assert not np.allclose(ours, theirs, rtol=1e-3, equal_nan=True)


def test_the_table_of_differences_is_read() -> None:
    assert len(differences()) >= 3


@pytest.mark.parametrize("pair", named(WHOLE))
def test_weights_of_samples_are_refused_for_a_whole_batch(pair: Pair) -> None:
    y, p = pair.draw(4)
    with pytest.raises(lossc.LosscError) as caught:
        pair.ours()(y, p, np.ones(4))
    assert caught.value.code == "E0701"
