"""The diagnostics of files, of calls and of the Keras adapter."""

from __future__ import annotations

from .code import Code

FILES: tuple[Code, ...] = (
    Code(
        "E0501",
        "a file or library that cannot be read",
        '`use std.FAMILY: ...` reads the standard library, `use "path": ...` a file '
        "beside this one.",
        "use std.nothing: huber\nloss l(y, yhat) = huber(y, yhat)\n",
        "use std.regression: huber\nloss l(y, yhat) = huber(y, yhat)\n",
    ),
    Code(
        "E0502",
        "a file that is not UTF-8",
        "Loss files are UTF-8 text.",
        wrong="$ lossc check latin1.loss  # `# Größe` saved as ISO 8859-1",
        right="$ iconv -f ISO-8859-1 -t UTF-8 latin1.loss > utf8.loss && lossc check utf8.loss",
    ),
    Code(
        "E0503",
        "a name that a file does not have",
        "`use` names losses and functions that the other file declares.",
        "use std.regression: hubber\nloss l(y, yhat) = hubber(y, yhat)\n",
        "use std.regression: huber\nloss l(y, yhat) = huber(y, yhat)\n",
    ),
    Code(
        "E0504",
        "files that use one another in a circle",
        "Move what both need into a third file.",
        wrong="# a.loss\n"
        'use "b.loss": g\n'
        "def f(x) = g(x)\n"
        "\n"
        "# b.loss\n"
        'use "a.loss": f\n'
        "def g(x) = f(x)",
        right='# a.loss\nuse "b.loss": g\ndef f(x) = g(x)\n\n# b.loss\ndef g(x) = x^2',
    ),
    Code(
        "E0505",
        "a file outside the folder tree",
        "A loss file reads what lies in its own folder or below, and the search paths that the\n"
        "caller allows. Text that stands in no file reads only the library.",
        'use "../other.loss": huber\nloss l(y, yhat) = huber(y, yhat)\n',
        "use std.regression: huber\nloss l(y, yhat) = huber(y, yhat)\n",
    ),
)

CALLS: tuple[Code, ...] = (
    Code(
        "E0601",
        "a missing input",
        "Every declared input must be given, by position or by name.",
        wrong="lossc.std.huber([1.0])",
        right="lossc.std.huber([1.0], [2.0])",
    ),
    Code(
        "E0602",
        "an argument too many",
        "A call takes the declared inputs and params, each once.",
        wrong="lossc.std.huber([1.0], [2.0], dleta=2)",
        right="lossc.std.huber([1.0], [2.0], delta=2)",
    ),
    Code(
        "E0603",
        "a wrong number of axes",
        "A tensor has the axes that its declaration names.",
        wrong='f = lossc.compile("loss f(y[n], p[n, k]) = mean(y * p)")\nf([[1.0]], [[2.0]])',
        right='f = lossc.compile("loss f(y[n], p[n, k]) = mean(y * p)")\nf([1.0], [[2.0]])',
    ),
    Code(
        "E0604",
        "data that are no numbers",
        "Inputs are arrays of floats, integers or bools.",
        wrong='lossc.std.huber([1.0], ["2.0"])',
        right="lossc.std.huber([1.0], [2.0])",
    ),
    Code(
        "E0605",
        "a value outside its domain",
        "The data break a promise that the formula makes.",
        wrong="lossc.std.huber([1.0], [2.0], delta=-1)",
        right="lossc.std.huber([1.0], [2.0], delta=1)",
    ),
    Code(
        "E0606",
        "one axis with two lengths",
        "An axis has one length in a call.",
        wrong='f = lossc.compile("loss f(y[n], p[n]) = mean(abs(y - p))")\n'
        "f([1.0, 2.0], [1.0, 2.0, 3.0])",
        right='f = lossc.compile("loss f(y[n], p[n]) = mean(abs(y - p))")\n'
        "f([1.0, 2.0], [1.0, 2.0])",
    ),
    Code(
        "E0607",
        "a fraction where integers are declared",
        "An input whose domain is of integers may be stored as floats, but holds whole numbers.",
        wrong='text = "loss f(y[n], z[n, k]) = mean[n](z[n, y])\\nwhere y in index(k)"\n'
        "lossc.compile(text)([0.5], [[1.0, 2.0]])",
        right='text = "loss f(y[n], z[n, k]) = mean[n](z[n, y])\\nwhere y in index(k)"\n'
        "lossc.compile(text)([1.0], [[1.0, 2.0]])",
    ),
    Code(
        "E0608",
        "a param that is fixed when compiled",
        "A param that sets a place, a size or a range must have a value known beforehand.",
        wrong='f = lossc.compile("loss f(y[t]; m = 1) = mean[t](y[t] - y[t-m])")\n'
        "f([1.0, 2.0, 4.0], m=0.5)",
        right='f = lossc.compile("loss f(y[t]; m = 1) = mean[t](y[t] - y[t-m])")\n'
        "f([1.0, 2.0, 4.0], m=2)",
    ),
    Code(
        "E0609",
        "a loss that a file does not have",
        "Losses are found by the name in the file.",
        wrong="lossc.std.hubber",
        right="lossc.std.huber",
    ),
    Code(
        "E0610",
        "no text",
        "lossc.compile takes the text of a formula; lossc.load takes a path.",
        wrong="lossc.compile(3)",
        right='lossc.compile("mean((y - yhat)^2)")',
    ),
    Code(
        "E0611",
        "more than one loss",
        "lossc.compile gives one loss; name it or load the file.",
        wrong='lossc.compile("loss a(y) = mean(y)\\nloss b(y) = sum(y)")',
        right='lossc.compile("loss a(y) = mean(y)")',
    ),
    Code(
        "E0612",
        "a column that the data do not have",
        "An input is the column of its own name unless `--bind` says otherwise.",
        wrong="$ lossc eval std.huber --data points.csv  # with the columns y and pred",
        right="$ lossc eval std.huber --data points.csv --bind yhat=pred",
    ),
    Code(
        "E0613",
        "a data file that cannot be read",
        "It is missing, damaged, of another kind than its name says, or needs pyarrow.",
        wrong="$ lossc eval std.huber --data points.txt",
        right="$ lossc eval std.huber --data points.csv",
    ),
    Code(
        "E0614",
        "a column that is not numeric",
        "Text, complex numbers and Python objects are refused; nothing is unpickled.",
        wrong="$ lossc eval std.huber --data points.csv  # with `high` in the column y",
        right="$ lossc eval std.huber --data points.csv  # with numbers in the column y",
    ),
    Code(
        "E0615",
        "columns that form no array",
        "Rows of unequal length, two columns of one name, or a gap in `z_0, z_1, ...`.",
        wrong="$ lossc eval std.huber --data points.csv  # rows of one cell and of two",
        right="$ lossc eval std.huber --data points.csv  # as many cells in each row",
    ),
    Code(
        "E0616",
        "data without values yet",
        "Inside a graph tensors are symbols, and a check of their values has nothing to look at.",
        wrong="huber = lossc.std.huber\n"
        "checked = tf.function(lambda y: huber(y, y, validate=True))\n"
        "checked(tf.ones(2))",
        right="huber, y = lossc.std.huber, tf.ones(2)\n"
        "huber.validate(y, y)\n"
        "tf.function(lambda y: huber(y, y))(y)",
    ),
    Code(
        "E0617",
        "a default outside its domain",
        "A loss that is called without the param would break its own promise.",
        "loss f(y, yhat; delta = 0) = mean(abs(y - yhat) / delta)\nwhere delta > 0\n",
        "loss f(y, yhat; delta = 1) = mean(abs(y - yhat) / delta)\nwhere delta > 0\n",
    ),
    Code(
        "E0618",
        "an attribute that cannot be set",
        "A loss is what its text says; params are given in each call.",
        wrong="lossc.std.huber.delta = 2",
        right="lossc.std.huber([1.0], [2.0], delta=2)",
    ),
    Code(
        "E0619",
        "a precision that there is not",
        'Float32 data is computed in "auto", "float32" or "float64".',
        wrong='lossc.compile("mean((y - p)^2)", precision="double")',
        right='lossc.compile("mean((y - p)^2)", precision="float64")',
    ),
    Code(
        "E0620",
        "a name in place of a formula",
        "lossc.compile takes text; files are loaded, and the losses of the library have names.",
        wrong='lossc.compile("mse")',
        right="lossc.std.mse",
    ),
)

KERAS: tuple[Code, ...] = (
    Code(
        "E0701",
        "a loss without values per sample",
        "Weights and masks act on one value per sample. A loss that is no mean or sum of such\n"
        "values takes its weights inside the formula, as an input `sample_weight`.",
        wrong="u = np.eye(2)\nlossc.std.info_nce.keras()(u, u, sample_weight=[1.0, 2.0])",
        right="u = np.eye(2)\nlossc.std.info_nce.keras()(u, u)",
    ),
    Code(
        "E0702",
        "a saved loss that means something else",
        "The hash of its meaning differs: its text was edited, or this version reads it otherwise.",
        wrong="loss = lossc.std.mse.keras()\n"
        'config = loss.get_config() | {"hash": "0"}\n'
        "loss.from_config(config)",
        right="loss = lossc.std.mse.keras()\nloss.from_config(loss.get_config())",
    ),
    Code(
        "E0703",
        "Keras on another backend",
        "A compiled loss is a TensorFlow graph, so Keras must run on TensorFlow.",
        wrong="$ KERAS_BACKEND=jax python -c 'import lossc; lossc.std.mse.keras()'",
        right="$ KERAS_BACKEND=tensorflow python -c 'import lossc; lossc.std.mse.keras()'",
    ),
    Code(
        "E0704",
        "weights that do not fit",
        "Weights and masks belong to the leading axes of the values; nothing else is broadcast.",
        wrong="y = np.ones((3, 1))\nlossc.std.mse.keras()(y, y, sample_weight=[1.0, 2.0])",
        right="y = np.ones((3, 1))\nlossc.std.mse.keras()(y, y, sample_weight=[1.0, 2.0, 0.5])",
    ),
    Code(
        "E0705",
        "an input that Keras does not pass",
        "Keras gives `y_true` and `y_pred`: bind further inputs with loss.keras(w=array), pass a\n"
        "dict by input name, or use lossc.keras.LossLayer.",
        wrong='f = lossc.compile("mean(w * (y - yhat)^2)")\nf.keras()([1.0], [2.0])',
        right='f = lossc.compile("mean(w * (y - yhat)^2)")\nf.keras(w=[0.5])([1.0], [2.0])',
    ),
    Code(
        "E0706",
        "a param that cannot be trained",
        "It is a bool, an integer or none, or it sets a place, a size or a range.",
        wrong='f = lossc.compile("loss f(y, p; m = 1 in 1..3) = mean(m * (y - p)^2)")\n'
        'lossc.keras.LossLayer(f, trainable="m")',
        right='f = lossc.compile("loss f(y, p; m = 1 in [1, 3]) = mean(m * (y - p)^2)")\n'
        'lossc.keras.LossLayer(f, trainable="m")',
    ),
    Code(
        "E0707",
        "a param that cannot be set",
        "The step of a compiled model has the numbers that its loss was made with. A param that\n"
        "changes during training is bound to a variable.",
        wrong="loss = lossc.std.huber.keras(delta=1)\nloss.delta = 2",
        right="loss = lossc.std.huber.keras(delta=tf.Variable(1.0))\nloss.delta = 2",
    ),
    Code(
        "E0708",
        "data that cannot be checked under XLA",
        "Code that XLA compiles cannot stop at a value; `validate=True` needs a step without it.",
        wrong="loss = lossc.std.mse.keras(validate=True)\n"
        "tf.function(loss, jit_compile=True)(tf.ones(2), tf.ones(2))",
        right="loss = lossc.std.mse.keras(validate=True)\n"
        "tf.function(loss)(tf.ones(2), tf.ones(2))",
    ),
    Code(
        "E0709",
        "a config that is none of a saved loss",
        "A part of it is missing or of another kind: it was edited, or saved by something else.",
        wrong="loss = lossc.std.mse.keras()\n"
        'config = loss.get_config() | {"formula": 5}\n'
        "loss.from_config(config)",
        right="loss = lossc.std.mse.keras()\nloss.from_config(loss.get_config())",
    ),
)

COMMANDS: tuple[Code, ...] = (
    Code(
        "E0801",
        "a command used wrongly",
        "An argument, an option or its value does not fit.",
        wrong="$ lossc show",
        right="$ lossc show std.huber",
    ),
    Code(
        "E0803",
        "an unknown code",
        "`lossc explain` takes the code of a diagnostic.",
        wrong="$ lossc explain E9999",
        right="$ lossc explain E0301",
    ),
    Code(
        "E0804",
        "a file that cannot be written",
        "`lossc fmt` could not write the file back.",
        wrong="$ chmod a-w huber.loss && lossc fmt huber.loss",
        right="$ chmod u+w huber.loss && lossc fmt huber.loss",
    ),
    Code("E0899", "an internal error", "A mistake in lossc itself; please report it."),
)
