"""The lines of several processes in one pipe don't get into each other."""

import select

import pytest

from tenure.verifier.http.access_log import _whole_lines

HALF = select.PIPE_BUF // 2

ROWS = {
    "none": ([], []),
    "few": (["a", "b"], [4]),
    "exactly a pipe's piece": (["a" * (HALF - 1), "b" * (HALF - 1)], [2 * HALF]),
    "one byte more": (["a" * (HALF - 1), "b" * HALF], [HALF, HALF + 1]),
    "a long one": (["a" * 5000, "b"], [5001, 2]),
}


@pytest.mark.parametrize(("lines", "sizes"), ROWS.values(), ids=ROWS)
def test_only_whole_lines_are_written_together(lines: list[str], sizes: list[int]) -> None:
    pieces = list(_whole_lines(lines, "\n"))
    assert [len(piece) for piece in pieces] == sizes
    assert "".join(pieces) == "".join(f"{line}\n" for line in lines)
