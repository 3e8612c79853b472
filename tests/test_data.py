"""Reading data files, good and bad."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from lossc.data import open_table
from lossc.dsl.diagnostics import LosscError


def csv(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return path


def table(folder: Path, **columns: Any) -> Path:
    path = folder / "data.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def code(path: Path, name: str) -> str:
    with pytest.raises(LosscError) as caught:
        open_table(path).column(name)
    return caught.value.code


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", "+3"], np.array([1, -2, 3])),
        (["1", "2.5"], np.array([1, 2.5])),
        (["16777217", "9007199254740993"], np.array([16777217, 9007199254740993])),
        (["true", "False"], np.array([True, False])),
        (["1e-3", "inf", "-Infinity"], np.array([1e-3, np.inf, -np.inf])),
        (["1", "", "NA"], np.array([1, np.nan, np.nan])),
        ([" 1 ", "\t2"], np.array([1, 2])),
        ([str(10**30), "1"], np.array([1e30, 1.0])),
        (["9" * 5000, "1"], np.array([np.inf, 1.0])),
    ],
)
def test_cells(tmp_path: Path, cells: list[str], expected: Any) -> None:
    got = open_table(csv(tmp_path, "\n".join(["y", *(f'"{c}"' for c in cells)]))).column("y").array
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("cell", ["abc", "1_000", "0x10", "1,5", "--1", "1e", "true and false"])
def test_cells_that_are_no_numbers(tmp_path: Path, cell: str) -> None:
    assert code(csv(tmp_path, f'y\n1\n"{cell}"\n'), "y") == "E0614"


def test_csv_with_a_byte_order_mark_and_empty_lines(tmp_path: Path) -> None:
    got = open_table(csv(tmp_path, "\ufeffy , yhat\r\n\r\n1,2\r\n\r\n3,4\r\n"))
    assert got.names == ("y", "yhat")
    np.testing.assert_array_equal(got.column("yhat").array, [2, 4])


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert open_table(csv(tmp_path, "y\n")).column("y").array.shape == (0,)


@pytest.mark.parametrize("form", ["z_{}", "z[{}]"])
def test_numbered_columns_are_a_matrix_in_the_order_of_their_numbers(
    tmp_path: Path, form: str
) -> None:
    names = [form.format(k) for k in range(12)]
    path = csv(tmp_path, ",".join(reversed(names)) + "\n" + ",".join(map(str, range(12))) + "\n")
    column = open_table(path).column("z")
    assert column.names == tuple(names)
    np.testing.assert_array_equal(column.array, [np.arange(12)[::-1]])


def test_a_name_of_its_own_comes_before_numbered_ones(tmp_path: Path) -> None:
    got = open_table(csv(tmp_path, "z_1,z,z_0\n1,2,3\n")).column("z")
    np.testing.assert_array_equal(got.array, [2])


def test_greek_columns(tmp_path: Path) -> None:
    got = open_table(csv(tmp_path, "ŷ,λ_0,λ_1\n1,2,3\n"))
    np.testing.assert_array_equal(got.column("yhat").array, [1])
    np.testing.assert_array_equal(got.column("lam").array, [[2, 3]])


def test_parquet(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        y=np.array([1, 2], np.int32),
        w=np.array([1.5, 2.5], np.float32),
        gap=[1, None],
        rows=[[1.0, 2.0], [3.0, 4.0]],
        flag=[True, False],
    )
    got = open_table(path)
    assert got.column("y").array.dtype == np.int32
    assert got.column("w").array.dtype == np.float32
    np.testing.assert_array_equal(got.column("gap").array, [1, np.nan])
    np.testing.assert_array_equal(got.column("rows").array, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(got.column("flag").array, [True, False])


def test_parquet_columns_that_are_no_arrays(tmp_path: Path) -> None:
    path = table(tmp_path, words=["a", "b"], ragged=[[1], [2, 3]], maps=[{"a": 1}, {"a": 2}])
    assert code(path, "words") == "E0614"
    assert code(path, "ragged") == "E0615"
    assert code(path, "maps") == "E0614"
    assert code(path, "other") == "E0612"


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, y=[1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LosscError) as caught:
        open_table(path)
    assert caught.value.code == "E0613"
    assert "lossc[parquet]" in str(caught.value)


def test_npz_keeps_dtypes_and_never_unpickles(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("it was unpickled",))

    half = np.ones(3, np.float16)
    things = np.array([Bomb()], dtype=object)
    np.savez(path, half=half, things=things)  # type: ignore[arg-type]
    assert open_table(path).column("half").array.dtype == np.float16
    assert code(path, "things") == "E0614"


def test_a_pickle_in_disguise_is_refused(tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "d.npz"
    path.write_bytes(pickle.dumps({"y": 1}))
    with pytest.raises(LosscError, match="E0613"):
        open_table(path)


@pytest.mark.parametrize("cut", [30, 60, 150, 240])
def test_cut_archives(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "d.npz"
    np.savez_compressed(path, y=np.arange(500.0))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(LosscError, match=r"E061[34]"):
        open_table(path).column("y")


def test_damaged_bytes_inside_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez_compressed(path, y=np.arange(5000.0))
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(bytes(data))
    assert code(path, "y") == "E0614"
