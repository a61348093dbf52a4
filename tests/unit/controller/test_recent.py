from tenure.controller.recent import SIZE, Recent


def test_what_was_added_is_remembered_until_it_is_discarded() -> None:
    recent = Recent[str]()
    assert "a" not in recent
    recent.add("a")
    recent.add("b")
    assert "a" in recent
    recent.discard("a")
    recent.discard("unknown")
    assert "a" not in recent
    assert "b" in recent


def test_the_oldest_are_forgotten() -> None:
    recent = Recent[int]()
    for number in range(SIZE + 3):
        recent.add(number)
    assert [number in recent for number in (0, 1, 2, 3, SIZE + 2)] == [False, False, False, True, True]
