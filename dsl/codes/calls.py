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
    Code("E0502", "a file that is not UTF-8", "Loss files are UTF-8 text."),
    Code(
        "E0503",
        "a name that a file does not have",
        "`use` names losses and functions that the other file declares.",
        "use std.regression: hubber\nloss l(y, yhat) = hubber(y, yhat)\n",
        "use std.regression: huber\nloss l(y, yhat) = huber(y, yhat)\n",
    ),
    Code(
        "E0504", "files that use one another in a circle", "Move what both need into a third file."
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
    Code("E0601", "a missing input", "Every declared input must be given, by position or by name."),
    Code(
        "E0602", "an argument too many", "A call takes the declared inputs and params, each once."
    ),
    Code("E0603", "a wrong number of axes", "A tensor has the axes that its declaration names."),
    Code("E0604", "data that are no numbers", "Inputs are arrays of floats, integers or bools."),
    Code("E0605", "a value outside its domain", "The data break a promise that the formula makes."),
    Code("E0606", "one axis with two lengths", "An axis has one length in a call."),
    Code(
        "E0607",
        "a fraction where integers are declared",
        "An input whose domain is of integers may be stored as floats, but holds whole numbers.",
    ),
    Code(
        "E0608",
        "a param that is fixed when compiled",
        "A param that sets a place, a size or a range must have a value known beforehand.",
    ),
    Code("E0609", "a loss that a file does not have", "Losses are found by the name in the file."),
    Code("E0610", "no text", "lossc.compile takes the text of a formula; lossc.load takes a path."),
    Code("E0611", "more than one loss", "lossc.compile gives one loss; name it or load the file."),
    Code(
        "E0612",
        "a column that the data do not have",
        "An input is the column of its own name unless `--bind` says otherwise.",
    ),
    Code(
        "E0613",
        "a data file that cannot be read",
        "It is missing, damaged, of another kind than its name says, or needs pyarrow.",
    ),
    Code(
        "E0614",
        "a column that is not numeric",
        "Text, complex numbers and Python objects are refused; nothing is unpickled.",
    ),
    Code(
        "E0615",
        "columns that form no array",
        "Rows of unequal length, two columns of one name, or a gap in `z_0, z_1, ...`.",
    ),
    Code(
        "E0616",
        "data without values yet",
        "Inside a graph tensors are symbols, and a check of their values has nothing to look at.",
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
    ),
    Code(
        "E0620",
        "a name in place of a formula",
        "lossc.compile takes text; files are loaded, and the losses of the library have names.",
    ),
)

KERAS: tuple[Code, ...] = (
    Code(
        "E0701",
        "a loss without values per sample",
        "Weights and masks act on one value per sample. A loss that is no mean or sum of such\n"
        "values takes its weights inside the formula, as an input `sample_weight`.",
    ),
    Code(
        "E0702",
        "a saved loss that means something else",
        "The hash of its meaning differs: its text was edited, or this version reads it otherwise.",
    ),
    Code(
        "E0703",
        "Keras on another backend",
        "A compiled loss is a TensorFlow graph, so Keras must run on TensorFlow.",
    ),
    Code(
        "E0704",
        "weights that do not fit",
        "Weights and masks belong to the leading axes of the values; nothing else is broadcast.",
    ),
    Code(
        "E0705",
        "an input that Keras does not pass",
        "Keras gives `y_true` and `y_pred`: bind further inputs with loss.keras(w=array), pass a\n"
        "dict by input name, or use lossc.keras.LossLayer.",
    ),
    Code(
        "E0706",
        "a param that cannot be trained",
        "It is a bool, an integer or none, or it sets a place, a size or a range.",
    ),
    Code(
        "E0707",
        "a param that cannot be set",
        "The step of a compiled model has the numbers that its loss was made with. A param that\n"
        "changes during training is bound to a variable.",
    ),
    Code(
        "E0708",
        "data that cannot be checked under XLA",
        "Code that XLA compiles cannot stop at a value; `validate=True` needs a step without it.",
    ),
)

COMMANDS: tuple[Code, ...] = (
    Code("E0801", "a command used wrongly", "An argument, an option or its value does not fit."),
    Code("E0803", "an unknown code", "`lossc explain` takes the code of a diagnostic."),
    Code("E0804", "a file that cannot be written", "`lossc fmt` could not write the file back."),
    Code("E0899", "an internal error", "A mistake in lossc itself; please report it."),
)
