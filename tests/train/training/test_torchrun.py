"""A run on two machines: two agents of torchrun that meet on the loopback, one of which is lost."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import small_training
from process_group import REPOSITORY, start_two_processes, wait_for_both
from run_comparison import assert_same_run, wait_for_step


def start_agents(folder, *options):
    """Starts the same command on both, as Slurm would; each starts one process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1",
        "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "job",
        "--max-restarts", "0", small_training.__file__, str(folder), "run", *options,
    ]  # fmt: skip
    paths = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    return [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]


def lose_the_machine_of(agent):
    """Kills an agent and all that it has started."""
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    for pid in (agent.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)


def test_a_run_that_loses_a_machine_goes_on_to_the_same_bits(small_folder):
    run, whole = small_folder / "runs" / "run", small_folder / "runs" / "whole"
    agents = start_agents(small_folder, "--slowly", "--save-every-step")
    wait_for_step(run, 4, *agents)
    lose_the_machine_of(agents[1])
    # The other one ends by itself, for the scheduler to see that the job has failed.
    messages = [agent.communicate(timeout=120)[1] for agent in agents]
    assert agents[0].returncode not in (0, None), messages[0]
    # A save averages the running statistics of the processes, so that both runs have to save alike.
    saving = "--save-every-step"
    wait_for_both(start_agents(small_folder, saving, "--resume"))
    wait_for_both(start_two_processes(small_training.__file__, small_folder, "whole", saving))
    assert_same_run(run, whole)
