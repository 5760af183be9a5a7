import time

from extract.run.profile import RunProfile
from seds_core.console import results


def test_time_is_added_up_even_when_the_block_fails():
    profile = RunProfile(2)
    for error in (None, ValueError):
        try:
            with profile.spent("model"):
                time.sleep(0.02)
                if error:
                    raise error
        except ValueError:
            pass
    assert profile.model >= 0.04
    assert profile.write == 0.0


def test_every_figure_is_given_and_nothing_else():
    profile = RunProfile(2, loading=1.23456)
    profile.end()
    assert profile.figures["loading"] == 1.235
    assert profile.figures["decode_workers"] == 2
    assert not [name for name in profile.figures if name.startswith("_")]


def test_without_processes_decoding_is_what_the_reader_waited_for():
    profile = RunProfile(0, frames=7.0)
    profile.end()
    assert profile.decode_cpu == 7.0


def test_the_advice_names_what_the_network_waited_for():
    assert "only a faster device" in RunProfile(2, wall=10.0, model_waited_for_frames=0.5).advice()
    slow_decoding = RunProfile(3, wall=10.0, model_waited_for_frames=5.0, frames=6.0, prepare=1.0)
    assert "run.decode_workers, now 3" in slow_decoding.advice()
    slow_preparing = RunProfile(3, wall=10.0, model_waited_for_frames=5.0, frames=1.0, prepare=6.0)
    assert "second process" in slow_preparing.advice()


def test_the_table_gives_shares_of_the_run():
    profile = RunProfile(2, wall=10.0, model=9.0)
    with results.capture() as captured:
        profile.print_table()
    line = next(line for line in captured.get().splitlines() if "network computed" in line)
    assert "9.0" in line
    assert "90%" in line
