"""The states of a worker towards its run, and what moves it from one to another, as a table."""

from enum import Enum


class State(Enum):
    """Where a worker stands with its run."""

    JOINING = "there is no value yet"
    HOLDING = "committed values are in hand, or awaited at their end"
    ALONE = "an outage is passed on values of its own, which the service does not know yet"
    ENDED = "the service refuses: what is in hand is used, then the refusal is raised, unless it is over by then"
    LEAVING = "the last values are being reported"
    LEFT = "nothing is sent any more"


class Event(Enum):
    """What moves a worker from one state to another: what is in hand now, or what was said."""

    EMPTY = "no value is in hand, and there was none before to go on from"
    COMMITTED = "what was used is committed, as far as is known"
    OWN = "values of its own were used that the service does not know yet"
    REFUSED = "the service said no, for good"
    CLOSED = "the training is over"
    GONE = "all is said, or nobody listens"


J, H, A, E, L, X = State
TRANSITIONS: dict[Event, dict[State, State]] = {
    Event.EMPTY: {J: J, H: J, A: J, E: J},
    Event.COMMITTED: {J: H, H: H, A: H, E: H, L: L},
    Event.OWN: {J: A, H: A, A: A, E: A, L: L},
    Event.REFUSED: {J: E, H: E, A: E, E: E},
    Event.CLOSED: {J: L, H: L, A: L, E: X, L: L, X: X},
    Event.GONE: dict.fromkeys(State, X),
}
