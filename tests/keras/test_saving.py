"""Saved losses and models load again, with their formula, params and constants."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import lossc

rng = np.random.default_rng(2)
X = rng.normal(size=(8, 4)).astype("float32")
Y = rng.normal(size=(8, 3)).astype("float32")
W = np.array([0.5, 1.0, 3.0])
TEXT = """# a note
loss by_class(y[b, k], p[b, k], w[k]; c = 1, q[k] = [1, 2, 3]) = c * mean(w * q * (y - p)^2)
where c in (0, inf)
"""


def model_with(loss):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", loss=loss)
    return model


def losses():
    by_class = lossc.compile(TEXT)
    return {
        "plain": lossc.std.mse.keras(),
        "param": lossc.std.huber.keras(delta=0.25, name="my_huber", reduction="sum"),
        "variable": lossc.std.quantile.keras(q=keras.Variable(0.75)),
        "constants": by_class.keras(w=W, c=2.5, q=[3, 2, 1]),
        "dtype": lossc.std.mse.keras(dtype="float64"),
        "no_jit": lossc.compile("mean(abs(y - yhat)^3)", jit=False).keras(),
    }


@pytest.mark.parametrize("name", losses())
def test_config_round_trip(name):
    loss = losses()[name]
    config = json.loads(json.dumps(loss.get_config()))
    again = type(loss).from_config(config)
    assert again.get_config() == loss.get_config()
    assert (again.name, again.reduction, again.params) == (loss.name, loss.reduction, loss.params)
    third = keras.losses.deserialize(keras.losses.serialize(loss))
    for other in (again, third):
        np.testing.assert_array_equal(other(Y, X[:, :3]), loss(Y, X[:, :3]))


def test_the_config_carries_the_whole_text():
    config = lossc.compile(TEXT).keras(w=W).get_config()
    assert config["formula"] == TEXT and config["loss"] == "by_class"
    assert config["hash"] == lossc.compile(TEXT).hash
    assert config["bound"]["w"] == {"dtype": "float64", "shape": [3], "values": [0.5, 1.0, 3.0]}


@pytest.mark.parametrize("name", ["plain", "variable", "constants"])
def test_models_load_under_safe_mode(name, tmp_path):
    model = model_with(losses()[name])
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == model.loss.get_config()
    assert again.get_compile_config() == model.get_compile_config()
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    values = [
        [m.evaluate(X, Y, verbose=0), *m.fit(X, Y, verbose=0).history["loss"]]
        for m in (model, again)
    ]
    np.testing.assert_allclose(*values, rtol=1e-6)


def test_another_meaning_is_refused():
    config = lossc.std.mse.keras().get_config()
    config["formula"] = config["formula"].replace("(y - yhat)^2", "(y - yhat)^4")
    with pytest.raises(lossc.LosscError) as caught:
        lossc.keras.CompiledLoss.from_config(config)
    assert caught.value.code == "E0702"
    config = lossc.std.mse.keras().get_config()
    config["formula"] += "\n# layout and comments mean nothing\n"
    assert lossc.keras.CompiledLoss.from_config(config)(Y, Y) == 0


def write(folder, **files):
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.loss"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_used_files_travel_along(tmp_path):
    write(
        tmp_path / "a",
        main='use "sub/near.loss": sq\nuse std.regression: mse\n'
        "loss main(y, yhat) = mse(y, yhat) + mean(sq(y - yhat))\n",
        sub__near='use "deep/far.loss": sq\n',
        sub__deep__far="def sq(x) = 3 * x^2\n",
    )
    loss = lossc.load(tmp_path / "a" / "main.loss").main.keras()
    config = loss.get_config()
    for path in (tmp_path / "a").rglob("*.loss"):
        path.unlink()
    assert str(tmp_path) not in json.dumps(config)
    assert set(config["files"]) == {"sub/near.loss", "sub/deep/far.loss", "std.regression"}
    again = lossc.keras.CompiledLoss.from_config(config)
    assert again.get_config() == config
    np.testing.assert_allclose(again(Y, 0 * Y), 4 * np.mean(Y**2), rtol=1e-6)


def test_files_of_a_search_path_travel_along(tmp_path):
    write(tmp_path, lib__shared="def sq(x) = 3 * x^2\n")
    text = 'use "shared.loss": sq\nloss main(y, yhat) = mean(sq(y - yhat))\n'
    loss = lossc.compile(text, search=[tmp_path / "lib"]).keras()
    config = loss.get_config()
    (tmp_path / "lib" / "shared.loss").unlink()
    again = lossc.keras.CompiledLoss.from_config(config)
    np.testing.assert_allclose(again(Y, 0 * Y), 3 * np.mean(Y**2), rtol=1e-6)


def test_a_saved_library_text_is_used_as_it_was():
    text = "use std.regression: mse\nloss twice(y, yhat) = 2 * mse(y, yhat)\n"
    config = lossc.compile(text).keras().get_config()
    library = config["files"]["std.regression"]
    config["files"]["std.regression"] = library.replace("(y - yhat)^2", "(y - yhat)^4")
    with pytest.raises(lossc.LosscError) as caught:
        lossc.keras.CompiledLoss.from_config(config)
    assert caught.value.code == "E0702"


def test_a_fresh_process_needs_one_import(tmp_path):
    model = model_with(lossc.compile(TEXT).keras(w=W, c=2))
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    code = (
        "import lossc.keras, keras, numpy as np, sys\n"
        f"d = np.load({str(tmp_path / 'data.npz')!r})\n"
        f"m = keras.models.load_model({str(tmp_path / 'model.keras')!r}, safe_mode=True)\n"
        "print(repr(float(m.evaluate(d['x'], d['y'], verbose=0))))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = model.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(float(done.stdout.split()[-1]), expected, rtol=1e-6)
