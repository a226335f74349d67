"""How many examples property tests try: one place, so that `make test` is quick and `make test-thorough` is not.

The profiles are chosen by `--hypothesis-profile`. No example has a deadline: what a slow machine needs says nothing.
"""

from hypothesis import HealthCheck, Phase, settings  # noqa: TID251 - here it is decided

USUAL = 100
"""Examples of a property in `make test-thorough` that asks for no other number."""


def register_profiles() -> None:
    """Make the profiles known to hypothesis, and the quick one the default."""
    unhurried = settings(
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        print_blob=True,
    )
    # The same examples each time: a newcomer's first run must not depend on luck. Found by luck is what CI finds.
    settings.register_profile("quick", unhurried, max_examples=USUAL // 5, derandomize=True, database=None)
    settings.register_profile("thorough", unhurried, max_examples=USUAL)
    settings.register_profile("exhaustive", unhurried, max_examples=100 * USUAL, phases=set(Phase) - {Phase.explain})
    settings.load_profile("quick")


def examples(thorough: int, **more: int) -> settings:
    """As many as `thorough` in `make test-thorough`, and in other profiles in proportion; `more` are other settings."""
    return settings(max_examples=max(1, thorough * settings().max_examples // USUAL), **more)  # type: ignore[arg-type]
