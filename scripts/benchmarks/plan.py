"""How much is measured: the full table, or a quick one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Turns and time limits of a run."""

    # Turns of a program, fewer when the time of all programs together runs out.
    program_turns: int
    program_seconds: float
    pair_turns: int
    larson_turns: int
    promise_turns: int
    continuous_seconds: float
    go_rounds: int
    # Nothing is fetched.
    is_quick: bool
    # Settings whose instructions are counted for whole programs.
    counted: tuple[str, ...]


FULL = Plan(19, 420, 12, 9, 5, 180, 20, False, ("plain", "default", "exact", "heaptrack"))
QUICK = Plan(4, 80, 5, 4, 3, 60, 4, True, ("plain", "default"))
