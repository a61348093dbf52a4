import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenure.domain.durations import PATTERN, parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        pytest.param("2160h", timedelta(days=90), id="hours"),
        pytest.param("90m", timedelta(hours=1, minutes=30), id="minutes"),
        pytest.param("45s", timedelta(seconds=45), id="seconds"),
        pytest.param("1h30m", timedelta(hours=1, minutes=30), id="two parts"),
        pytest.param("1h30m15s", timedelta(hours=1, minutes=30, seconds=15), id="three parts"),
        pytest.param("15s1h", timedelta(hours=1, seconds=15), id="any order"),
        pytest.param("1h1h", timedelta(hours=2), id="a unit twice adds up"),
        pytest.param("00001h", timedelta(hours=1), id="leading zeros"),
        pytest.param("0s", timedelta(), id="zero, which a CEL rule refuses"),
        pytest.param("99999h99999h99999h", timedelta(hours=299_997), id="the longest"),
    ],
)
def test_a_duration_is_read(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("30d", id="days"),
        pytest.param("1w", id="weeks"),
        pytest.param("10", id="no unit"),
        pytest.param("h", id="no number"),
        pytest.param("-1h", id="negative"),
        pytest.param("+1h", id="sign"),
        pytest.param("1.5h", id="fraction"),
        pytest.param("1 h", id="space inside"),
        pytest.param(" 1h", id="space before"),
        pytest.param("1h\n", id="newline after"),
        pytest.param("1H", id="upper case"),
        pytest.param("100ms", id="milliseconds"),
        pytest.param("100000h", id="six digits"),
        pytest.param("1h1m1s1h", id="four parts"),
        pytest.param("٣h", id="digits of another script"),
        pytest.param("P90D", id="ISO 8601"),
    ],
)
def test_anything_else_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(ValueError, match="2160h or 1h30m"):
        parse_duration(text)


@given(st.integers(0, 99_999), st.integers(0, 99_999), st.integers(0, 99_999))
def test_parts_add_up(hours: int, minutes: int, seconds: int) -> None:
    expected = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == expected


@given(st.text(alphabet="0123456789hmsd.- ", max_size=12))
def test_a_text_is_read_if_and_only_if_it_fits_the_pattern_of_the_schema(text: str) -> None:
    if re.fullmatch(PATTERN, text):
        assert parse_duration(text) >= timedelta()
    else:
        with pytest.raises(ValueError, match="isn't a duration"):
            parse_duration(text)
