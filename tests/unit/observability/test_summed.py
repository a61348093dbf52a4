"""The metrics of several processes are shown as if they were of one."""

from tenure.observability.catalogue import DEAD_KEY_HITS, VERIFIER_KEYS, VERIFY, VERIFY_DURATION
from tenure.observability.metrics import Component, Reading
from tenure.observability.process_catalogue import API_SERVER_AWAY, READY
from tenure.observability.prometheus import Measurements
from tenure.observability.summed import add_up


def measured(*, keys: int, ready: bool, valid: int, dead: str = "") -> Measurements:
    """Measure what a process of the verifier counts and shows."""
    measurements = Measurements(Component.VERIFIER)

    async def read() -> list[Reading]:
        away = Reading(API_SERVER_AWAY, 0.0 if ready else 60.0)
        return [Reading(VERIFIER_KEYS, keys), Reading(READY, ready, (Component.VERIFIER,)), away]

    measurements.read_from(read)
    for _ in range(valid):
        measurements.count(VERIFY, "Valid")
        measurements.observe(VERIFY_DURATION, 0.002)
    if dead:
        measurements.count(DEAD_KEY_HITS, dead)
    return measurements


async def text_of(measurements: Measurements) -> str:
    return (await measurements.text()).decode()


async def test_events_are_summed_and_of_states_the_worst_is_shown() -> None:
    first, second = measured(keys=10, ready=True, valid=3, dead="abc"), measured(keys=9, ready=False, valid=4)
    lines = add_up([await text_of(first), await text_of(second)]).splitlines()
    for line in (
        'tenure_verify_total{code="Valid"} 7.0',
        'tenure_verify_total{code="Expired"} 0.0',
        'tenure_dead_key_hits_total{key_id="abc"} 1.0',
        'tenure_verify_duration_seconds_bucket{le="0.001"} 0.0',
        'tenure_verify_duration_seconds_bucket{le="0.0025"} 7.0',
        "tenure_verify_duration_seconds_count 7.0",
        "tenure_verifier_keys 9.0",
        'tenure_ready{component="verifier"} 0.0',
        "tenure_api_server_away_seconds 60.0",
    ):
        assert line in lines
    assert sum(line.startswith("tenure_build_info{") and line.endswith(" 1.0") for line in lines) == 1


async def test_the_memory_of_processes_is_summed_and_the_start_is_the_first_one() -> None:
    def text(memory: int, start: int) -> str:
        kinds = [f"# TYPE {name} gauge" for name in ("process_resident_memory_bytes", "process_start_time_seconds")]
        values = [f"process_resident_memory_bytes {memory}", f"process_start_time_seconds {start}"]
        return "".join(f"{kind}\n{value}\n" for kind, value in zip(kinds, values, strict=True))

    lines = add_up([text(100, 5), text(50, 7)]).splitlines()
    assert "process_resident_memory_bytes 150.0" in lines
    assert "process_start_time_seconds 5.0" in lines


async def test_one_process_alone_is_shown_as_it_is() -> None:
    text = await text_of(measured(keys=10, ready=True, valid=3, dead='with "quotes"'))
    assert add_up([text]) == text
