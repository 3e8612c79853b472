"""Uses an installed lossc, from a directory that is not the checkout."""

import sys
from importlib.resources import files
from pathlib import Path

import lossc

assert Path(lossc.__file__).is_relative_to(sys.prefix), lossc.__file__
assert "tensorflow" not in sys.modules, "importing lossc loads TensorFlow"
assert (files("lossc.dsl") / "grammar.lark").is_file(), "the grammar is missing"
assert (files("lossc.stdlib") / "regression.loss").is_file(), "the standard library is missing"
assert (files("lossc") / "py.typed").is_file(), "py.typed is missing"

loss = lossc.compile("mean(w * (y - yhat)^2)")
assert float(loss([1.0, 2.0], [0.0, 4.0], [1.0, 0.5])) == 1.5
assert float(lossc.std.huber([0.0], [3.0])) == 2.5
assert float(lossc.load("huber.loss").huber([0.0], [3.0], delta=2)) == 4.0
assert float(loss.keras(w=[[1.0]])([[1.0]], [[3.0]])) == 4.0
print(f"lossc {lossc.__version__} works from {Path(lossc.__file__).parent}")
