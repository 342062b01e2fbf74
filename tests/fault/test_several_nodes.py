"""A cluster of several nodes: what differs is refused, what is lost is drawn or trained by the others, and named."""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from real_cluster import Node, RealCluster, real_cluster
from real_commands import PROGRAM, assert_complete, digests, manifest_lines, wait_until
from small_generation import add_training
from small_training import small_recipe, write_recipe

import crystalforge
import crystalforge.jobs
import crystalforge.schemas
from crystalforge.dataset import find_dataset
from crystalforge.files import read_json, read_lines
from crystalforge.home import MODEL_RECORD, NODES_RECORD, Home
from crystalforge.jobs.generate import draw_here, generate
from crystalforge.jobs.generation_plans import load_plan
from crystalforge.jobs.train_all import train_all

logger = logging.getLogger(__name__)

SHARD_SIZE = 40
COUNT = 12_000
"""So many shards that the node is lost in the middle, however quick the machine is."""
COMMAND = ["generate", "--shard-size", str(SHARD_SIZE), "--space-groups", "225,62", "--count", str(COUNT)]
CUT_OFF_S = 60.0
N_EPOCHS = 30
SAMPLES = 200_000
SMALL_SHARD = 50
"""So that the samples take longer than a node is cut off."""
LONG_S = 900
"""A start of a trainer takes ten seconds where it is alone, and minutes where all nodes share two cores."""


@pytest.fixture
def small_home(bundled_home: Home, tmp_path: Path) -> Home:
    """A home with models of two space groups whose networks took no step: made without Ray."""
    home = Home.locate(shutil.copytree(bundled_home.path, tmp_path / "home"))
    add_training(home, find_dataset(home))
    return home


@pytest.fixture(scope="module")
def cluster() -> Iterator[RealCluster]:
    """A head without CPUs and one worker node."""
    with real_cluster(namespaces=True) as cluster:
        cluster.add("first")
        yield cluster


def _start(
    cluster: RealCluster, *arguments: object, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command on the head's machine."""
    return subprocess.Popen(
        [*cluster.prefix, *PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, **cluster.environment, **(environment or {})},
    )


def _run(
    cluster: RealCluster, *arguments: object, environment: Mapping[str, str] | None = None, limit_s: float = 200
) -> tuple[int, str, str]:
    """Exit code, output and log of a command."""
    process = _start(cluster, *arguments, environment=environment)
    try:
        output, log = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        output, log = process.communicate()
        pytest.fail(f"{arguments} did not end within {limit_s} s:\n{output.decode()}\n{log.decode()}")
    return process.returncode, output.decode(), log.decode()


def _events(folder: Path) -> dict[str, list[str]]:
    """Names of the nodes that joined and were lost."""
    found: dict[str, list[str]] = {"joined": [], "lost": []}
    for line in read_lines(folder / NODES_RECORD):
        found[line["event"]].append(line["node"].split()[0])
    return found


@pytest.mark.timeout(400)
def test_a_lost_node_costs_no_shard_and_is_named(small_home: Home, cluster: RealCluster) -> None:
    second = cluster.add("second")
    process = _start(cluster, *COMMAND, "--home", small_home.path, "--json")
    wait_until(lambda: len(manifest_lines(small_home)) >= 3, process)
    second.kill()
    committed = len(manifest_lines(small_home))
    output, log = process.communicate(timeout=200)
    logger.info("event=node_lost exit=%d committed_before=%d", process.returncode, committed)
    assert committed < COUNT // SHARD_SIZE, "it was lost in the middle"
    assert process.returncode == 0, log.decode()
    (lost,) = json.loads(output)["nodes"]
    assert (lost["event"], lost["node"].split()[0], lost["resources"]) == ("lost", "second", {"CPU": 1.0})
    assert re.search(r"Node second .* was lost at .*: .+ Its work went to the others\.", log.decode())
    (folder,) = small_home.generations.iterdir()
    assert _events(folder) == {"joined": [], "lost": ["second"]}
    (folder / NODES_RECORD).unlink()
    plan = load_plan(small_home, folder.name)
    assert_complete(small_home, plan.counts)
    after = digests(small_home)
    (folder / "manifest.jsonl").unlink()
    generate(small_home, plan, draw=draw_here)
    assert digests(small_home) == after


@pytest.mark.nightly
@pytest.mark.timeout(400)
def test_a_job_is_submitted_once_and_keeps_off_the_head(small_home: Home, cluster: RealCluster) -> None:
    count = ["generate", "--count", "400", "--space-groups", "225,62", "--home", small_home.path]
    submit = ["submit", "--python", sys.executable, "--json"]
    environment = {"RAY_ADDRESS": cluster.dashboard}
    code, output, log = _run(cluster, *submit, *count, environment=environment)
    assert output, log
    first = json.loads(output)
    assert (code, first["status"], first["exit_code"], first["found"]) == (0, "SUCCEEDED", 0, False), log
    followed = cluster.namespaces  # nodes with one address mistake each other's logs for their own
    assert not followed or "400 rows" in log, "its log is followed"
    code, output, log = _run(cluster, *submit, *count, environment=environment)
    assert (code, json.loads(output)) == (0, first | {"found": True}), "the second finds the first"
    code, output, log = _run(cluster, *submit, "--again", *count, environment=environment)
    again = json.loads(output)
    assert (code, again["submission_id"]) == (0, f"{first['submission_id']}-2"), log
    assert not followed or "were there already" in log
    assert _driver_nodes(cluster) == {"first"}, "the head has no CPU, so that no driver runs there either"


def _driver_nodes(cluster: RealCluster) -> set[str]:
    """Names of the nodes on which the drivers of the jobs ran."""
    program = (
        "import json, ray\n"
        "from ray.job_submission import JobSubmissionClient\n"
        f"jobs = JobSubmissionClient({cluster.dashboard!r}).list_jobs()\n"
        "ray.init(logging_level='ERROR', log_to_driver=False)\n"
        "names = {node['NodeID']: node['NodeName'] for node in ray.nodes()}\n"
        "print(json.dumps([names[job.driver_node_id] for job in jobs if job.driver_node_id]))\n"
    )
    found = subprocess.run(
        [*cluster.prefix, sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, **cluster.environment},
        capture_output=True,
        check=True,
        timeout=100,
    )
    return set(json.loads(found.stdout.splitlines()[-1]))


@pytest.mark.timeout(300)
def test_a_node_with_another_crystalforge_is_refused_before_any_work(
    small_home: Home, cluster: RealCluster, tmp_path: Path
) -> None:
    """A real installation of other code, found first by the Python of that node."""
    other = tmp_path / "other" / "crystalforge"
    shutil.copytree(Path(crystalforge.__file__).parent, other, ignore=shutil.ignore_patterns("__pycache__"))
    for part in (crystalforge.jobs, crystalforge.schemas):
        shutil.copytree(Path(part.__file__).parent, other / part.__name__.split(".")[1], dirs_exist_ok=True)
    with (other / "files.py").open("a") as stream:
        stream.write("\n# another version\n")
    stranger = cluster.add("stranger", environment={"PYTHONPATH": str(other.parent)})
    try:
        code, _, log = _run(cluster, *COMMAND, "--home", small_home.path)
    finally:
        stranger.kill()
    assert code == 1
    assert re.search(r"node stranger .*: crystalforge \S+ \(code \w+\) where \S+ \(code \w+\) is expected\n", log), log
    assert "constraints.txt" in log
    assert "Traceback" not in log
    assert not manifest_lines(small_home)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("another", r"asks for its token, and that of .*wrong is another"),
        ("", r"wrong is empty: expected the token of Ray"),
        (None, r"cannot be read from .*wrong: No such file"),
    ],
)
def test_another_token_is_refused_at_once_and_never_shown(
    small_home: Home, cluster: RealCluster, tmp_path: Path, token: str | None, message: str
) -> None:
    wrong = tmp_path / "wrong"
    if token is not None:
        wrong.write_text(token)
    environment = {"RAY_AUTH_TOKEN_PATH": str(wrong)}
    code, output, log = _run(cluster, *COMMAND, "--home", small_home.path, environment=environment, limit_s=60)
    assert code == 1
    assert re.search(message, log), log
    assert "Traceback" not in log
    assert cluster.token_file.read_text() not in output + log


@pytest.fixture(scope="module")
def long_home(bundled_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with real crystals of 12 space groups."""
    return Home.locate(shutil.copytree(bundled_home.path, tmp_path_factory.mktemp("several") / "home"))


@pytest.fixture(scope="module")
def train_command(long_home: Home, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """A training of all 12, of thirty short epochs each."""
    recipe = small_recipe(generator_steps=2 * N_EPOCHS)
    path = write_recipe(tmp_path_factory.mktemp("recipes") / "small.toml", recipe)
    return ["train-all", "--recipe", path, "--home", long_home.path]


@pytest.fixture(scope="module")
def wide() -> Iterator[RealCluster]:
    """A head without CPUs and three worker nodes, with networks of their own where this machine allows it."""
    with real_cluster(namespaces=True) as cluster:
        logger.info("event=cluster_starts namespaces=%s", cluster.namespaces)
        for name in ("one", "two", "three"):
            cluster.add(name)
        yield cluster


def _cut_off_for(node: Node, seconds: float, process: subprocess.Popen[bytes]) -> None:
    """Cut a node off; mended after the time, or when the command has ended and nobody is left to notice."""
    node.cut_off()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.5)
    node.mend()


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_twelve_trainings_go_on_while_nodes_are_lost_cut_off_and_added(
    wide: RealCluster, long_home: Home, train_command: list[object], bundled_home: Home, tmp_path: Path
) -> None:
    began = time.monotonic()
    process = _start(wide, *train_command, "--json")
    _, two, three = wide.nodes[1:4]
    wait_until(lambda: sum(_epochs(long_home).values()) >= N_EPOCHS, process, LONG_S)
    three.kill()
    wide.add("four")
    wait_until(lambda: len(_trained(long_home)) >= 4, process, LONG_S)
    _cut_off_for(two, CUT_OFF_S, process)
    output, log = process.communicate(timeout=1200)
    assert process.returncode == 0, log.decode()
    summary = json.loads(output)
    (folder,) = long_home.trainings.iterdir()
    lines = _epochs(long_home)
    repeated = {number: n - N_EPOCHS for number, n in lines.items() if n > N_EPOCHS}
    logger.info(
        "event=trained seconds=%.0f groups=%d nodes=%s repeated_epochs=%s",
        time.monotonic() - began,
        len(summary["trained"]),
        _events(folder),
        repeated,
    )
    assert len(_trained(long_home)) == 12
    assert "three" in _events(folder)["lost"]
    assert "four" in _events(folder)["joined"]
    assert {event["event"] for event in summary["nodes"]} == {"lost", "joined"}
    interrupted = _interrupted(long_home)
    assert interrupted, "a training was under way on the node that was lost"
    for number in interrupted:
        assert lines[number] < 2 * N_EPOCHS, "it went on from its last checkpoint"
    undisturbed = Home.locate(shutil.copytree(bundled_home.path, tmp_path / "undisturbed"))
    number = interrupted[0]
    recipe = small_recipe(generator_steps=2 * N_EPOCHS)
    train_all(undisturbed, find_dataset(undisturbed), recipe, space_groups=[number])
    assert _trained(undisturbed)[number] == _trained(long_home)[number], "the model that nobody disturbs"


def _trained(home: Home) -> dict[int, str]:
    """SHA-256 of the finished models by space group."""
    records = (read_json(path) for path in home.trainings.glob(f"*/*/{MODEL_RECORD}"))
    return {record["space_group_number"]: record["model_checksum"] for record in records}


def _epochs(home: Home) -> dict[int, int]:
    """How many epochs each space group has noted, the repeated ones too."""
    paths = home.trainings.glob("*/*/progress.jsonl")
    return {int(path.parent.name.split("=")[1]): len(read_lines(path)) for path in paths}


def _interrupted(home: Home) -> list[int]:
    """Space groups of which an epoch was made twice, or that stood still for longer than any epoch takes."""
    found = []
    for path in sorted(home.trainings.glob("*/*/progress.jsonl")):
        lines = read_lines(path)
        counts = Counter(line["epoch"] for line in lines)
        pauses = [later["time"] - line["time"] for line, later in itertools.pairwise(lines)]
        if max(counts.values()) > 1 or max(pauses, default=0.0) > 5:
            found.append(int(path.parent.name.split("=")[1]))
    return found


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_two_hundred_thousand_samples_are_the_same_bytes_while_nodes_are_lost_cut_off_and_added(
    wide: RealCluster, long_home: Home
) -> None:
    if len(_trained(long_home)) < 12:  # the test before did not run: networks with their first weights
        shutil.rmtree(long_home.trainings, ignore_errors=True)
        dataset = find_dataset(long_home)
        add_training(long_home, dataset, sorted(dataset.manifest.counts))
    for number in range(4 - len(wide.alive())):
        wide.add(f"more-{number}")
    alive = wide.alive()[1:]
    began = time.monotonic()
    command = ["generate", "--count", SAMPLES, "--shard-size", SMALL_SHARD, "--home", long_home.path]
    process = _start(wide, *command, "--json")
    wait_until(lambda: len(manifest_lines(long_home)) >= 100, process, LONG_S)
    alive[0].kill()
    committed = [len(manifest_lines(long_home))]
    wide.add("late")
    wait_until(lambda: len(manifest_lines(long_home)) >= 300, process, LONG_S)
    committed.append(len(manifest_lines(long_home)))
    _cut_off_for(alive[1], CUT_OFF_S, process)
    committed.append(len(manifest_lines(long_home)))
    output, log = process.communicate(timeout=900)
    assert process.returncode == 0, log.decode()
    seconds = time.monotonic() - began
    (folder,) = long_home.generations.iterdir()
    plan = load_plan(long_home, folder.name)
    logger.info(
        "event=generated seconds=%.0f shards=%d committed_before=%s nodes=%s",
        seconds,
        len(plan.shards()),
        committed,
        _events(folder),
    )
    assert {alive[0].name, alive[1].name} <= set(_events(folder)["lost"])
    assert json.loads(output)["rows"] == SAMPLES
    after = digests(long_home)
    assert committed[1] < len(after) == len(plan.shards())
    shutil.rmtree(long_home.generations)
    generate(long_home, plan)
    assert digests(long_home) == after, "the bytes of one node"
