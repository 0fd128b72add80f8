"""Where a process begins without a scheduler's state."""

import pytest

from lockstep.errors import Misused
from lockstep.resumption import begin_at


@pytest.mark.parametrize("auto", [False, True])
@pytest.mark.parametrize(("stood", "made"), [(None, None), (0, None), (None, 0), (7, 7), (3, 10)])
def test_the_first_step_where_nothing_lies_beyond_it(stood: int | None, made: int | None, auto: bool) -> None:
    assert begin_at("r", 10, stood, made, auto=auto) == 10


@pytest.mark.parametrize(
    ("stood", "made", "begins"),
    [(40, 40, 40), (40, 30, 30), (None, 30, 30), (40, None, 40)],
    ids=["both", "an older checkpoint", "no report", "no count"],
)
def test_what_the_two_say_and_the_log_where_nobody_asked_for_it(
    stood: int | None, made: int | None, begins: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert begin_at("r", 10, stood, made, auto=True) == begins
    assert caplog.text == ""
    assert begin_at("r", 10, stood, made, auto=False) == 10
    assert "Run r begins at step 10 again, without a scheduler's state: the run knows this worker" in caplog.text


@pytest.mark.parametrize(("stood", "made"), [(40, 50), (40, 5)])
def test_what_does_not_agree_is_refused(stood: int, made: int) -> None:
    with pytest.raises(
        Misused, match=f"at step {stood}, and the optimizer has made {made} updates, which do not agree"
    ):
        begin_at("r", 10, stood, made, auto=True)
