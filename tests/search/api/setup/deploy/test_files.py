"""`search deploy`: the files start what the program has, hold no password, and take any name literally."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.api.setup.deploy.printing import print_deployment, render
from search.api.setup.deploy.quoting import make_name, quote_expanded, quote_shell, quote_yaml
from search.api.setup.deploy.request import DeployRequest, read_time_limit
from search.api.setup.deploy.targets import TARGETS
from search.errors import UsageError
from tests.docs import commands
from tests.search.api.setup.deploy import printed
from tests.search.api.setup.deploy.printed import COMMON, FULL, STORAGE, find_container, find_service, make, parse
from tests.search.command import done, search

targets = pytest.mark.parametrize("target", TARGETS)
# Names that a study may have, and any path or address.
STUDIES = (
    "$(touch made)`touch made`",
    "a: b #c",
    "${HOME} $HOME $(POSTGRES_PASSWORD_FILE) $$x",
    "*&!|>%@ {a} [b]",
    "étude 图",
)
TEXTS = (
    'it\'s "q" \\ \n- x: y\n',
    "\u202ea\x1b[31m\x85\u2028 \U0001f600",
    "a\n#SBATCH --wrap\ntouch made\n",
    "---\n",
    "~",
    "null",
)


@targets
@pytest.mark.parametrize("options", ["plain", "full"])
def test_the_command_in_a_file_is_one_that_the_program_has(target: str, options: str, tmp_path: Path) -> None:
    given = {**COMMON, **FULL[target], "objective": "cifar-depth"} if options == "full" else {}
    text = make(target, "depth-s3", checkpoints="s3://bucket/depth", **given)
    name, values = printed.parse_command(printed.read_command(target, text, tmp_path))
    assert (name, values["study"], values["device"]) == ("worker", "depth-s3", "all")
    assert values["objective"] == given.get("objective")
    assert values["workers"] == (given.get("workers") if target == "compose" else None)
    mentioned = set(re.findall(r"\bsearch ([a-z-]+)", re.sub("search (--|worker)", "", text)))
    assert mentioned <= commands().keys()


@targets
@pytest.mark.parametrize("study", STUDIES)
def test_any_study_is_named_literally(target: str, study: str, tmp_path: Path) -> None:
    text = make(target, study, gpus=0)
    _, values = printed.parse_command(printed.read_command(target, text, tmp_path))
    assert (values["study"], values["device"]) == (study, "cpu")
    assert not (tmp_path / "made").exists()


@targets
@pytest.mark.parametrize("hostile", [*STUDIES, *TEXTS])
def test_any_text_stays_within_its_value(target: str, hostile: str, tmp_path: Path) -> None:
    options = {"objective": hostile, "data": hostile, "checkpoints": f"s3://{hostile}"}
    options |= {"password_file": hostile} if target == "slurm" else {"image": hostile}
    if target == "skypilot":
        options["package"] = hostile
    text = make(target, **options)
    _, values = printed.parse_command(printed.read_command(target, text, tmp_path))
    assert values["objective"] == hostile
    assert not (tmp_path / "made").exists()
    assert all(char.isprintable() or char == "\n" for char in text)
    plain = {**dict.fromkeys(options, "x"), "checkpoints": "s3://x"}
    if target != "slurm":
        assert shape(parse(text)) == shape(parse(make(target, **plain)))
        place = find_place(target, parse(text))
        assert (place if target == "skypilot" else printed.expand(target, place, {})) == options["checkpoints"]


def find_place(target: str, document: dict[str, Any]) -> str:
    """Return the place of checkpoints as a file has it."""
    name = "SEARCH_CHECKPOINTS"
    if target == "kubernetes":
        return str({entry["name"]: entry.get("value") for entry in find_container(document)["env"]}[name])
    return str(document["envs"][name] if target == "skypilot" else find_service(document)["environment"][name])


def shape(value: Any) -> Any:
    """Return a document without its texts."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else type(value)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_quoted_yaml_is_read_as_the_text(text: str) -> None:
    assert parse(f"[{quote_yaml(text)}]\n") == [text]
    assert parse(f"[{quote_expanded(text)}]\n") == [text.replace("$", "$$")]
    assert quote_yaml(text).isascii()


def test_quoted_words_are_read_by_bash_as_the_texts() -> None:
    words = [chr(code) for code in (*range(1, 0x250), 0x2028, 0x202E, 0xFEFF, 0x1F600)] + [*STUDIES, *TEXTS, ""]
    echoed = subprocess.run(
        ["bash"], input=f"printf '%s\\0' {quote_shell(words)}".encode(), capture_output=True, check=True
    )
    assert echoed.stdout.decode().split("\0")[:-1] == words


def test_a_template_that_does_not_quote_is_refused() -> None:
    values = {"workers": 1, "name": "a", "study": "b"}
    with pytest.raises(AssertionError, match="must be quoted"):
        render("skypilot.yaml.j2", {**values, "name": "a: b"})


@pytest.mark.parametrize("study", ["Depth_3", "depth 3", "depth-3-", "x" * 200, "图", "a--b"])
def test_names_of_jobs_fit_and_differ(study: str) -> None:
    assert re.fullmatch("[a-z]([a-z0-9-]{0,61}[a-z0-9])?", make_name(study))
    assert make_name(study) != make_name("depth-3") == "search-depth-3"


@targets
def test_no_password_is_in_a_file(target: str) -> None:
    secret = "postgresql://me:hunter2@db.example.org/search?sslpassword=hunter2&sslmode=require"
    found = print_deployment(target, DeployRequest(study="digits-depth", storage=secret))
    assert "hunter2" not in found.text
    assert "postgresql://me@db.example.org/search?sslmode=require" in found.text
    assert any("password" in note for note in found.notes)


def test_a_slurm_job_is_warned_requeued_and_limited() -> None:
    text = make("slurm", **COMMON, **FULL["slurm"])
    lines = [line.removeprefix("#SBATCH --") for line in text.splitlines() if line.startswith("#SBATCH")]
    wanted = {"array=0-3", "requeue", "signal=TERM@120", "open-mode=append", "output=%x-%A_%a.log", "gres=gpu:2"}
    wanted |= {"cpus-per-task=12", "mem=16G", "time=24:00:00", "partition=gpu,spare", "account=lab"}
    assert wanted <= set(lines)
    assert "export PGPASSFILE=/home/me/.pgpass" in text.splitlines()


@pytest.mark.parametrize(("code", "queued"), [(143, True), (0, False), (1, False), (3, False)])
def test_a_slurm_job_is_queued_again_after_it_was_asked_to_end_only(code: int, queued: bool, tmp_path: Path) -> None:
    for program, body in (("srun", f"exit {code}"), ("scontrol", 'echo "$@" > queued')):
        (tmp_path / program).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / program).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}
    ended = subprocess.run(["bash", "-c", make("slurm")], cwd=tmp_path, env=environment, check=False)
    assert ended.returncode == code
    told = tmp_path / "queued"
    assert (told.read_text() if told.exists() else None) == ("requeue 7_2\n" if queued else None)


def test_a_kubernetes_job_works_on_a_queue_and_forgives_disruptions() -> None:
    job = parse(make("kubernetes", **COMMON, **FULL["kubernetes"], secret="postgres"))
    spec, pod, container = job["spec"], job["spec"]["template"]["spec"], find_container(job)
    assert (spec["parallelism"], "completions" in spec, spec["suspend"]) == (4, False, True)
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["podFailurePolicy"]["rules"][0] == {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert (pod["restartPolicy"], pod["terminationGracePeriodSeconds"] >= 30) == ("Never", True)
    assert container["resources"] == {
        "requests": {"cpu": 12, "memory": "16Gi"},
        "limits": {"cpu": 12, "memory": "16Gi", "nvidia.com/gpu": 2},
    }
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert pod["volumes"][0]["secret"]["secretName"] == "postgres"
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert environment["SEARCH_STORAGE"] == STORAGE
    assert environment["SEARCH_CHECKPOINTS"] == "/shared/checkpoints"
    assert environment["POSTGRES_PASSWORD_FILE"].startswith(container["volumeMounts"][0]["mountPath"])


def test_a_kubernetes_job_without_a_queue_starts_at_once() -> None:
    job = parse(make("kubernetes"))
    assert "suspend" not in job["spec"]
    assert list(job["metadata"]["labels"]) == ["app.kubernetes.io/name"]


def test_skypilot_gets_a_job_and_a_pool_of_the_same_machines() -> None:
    given = {**COMMON, **FULL["skypilot"]}
    job, pool = parse(make("skypilot", **given)), parse(make("skypilot", pool=True, **given))
    assert pool["pool"] == {"workers": 4}
    assert job["resources"].pop("job_recovery") == {"max_restarts_on_errors": 3, "recover_on_exit_codes": [143]}
    assert (
        job["resources"]
        == pool["resources"]
        == {
            "accelerators": "H100:2",
            "cpus": "12+",
            "memory": "16+",
            "use_spot": False,
        }
    )
    assert job["setup"] == pool["setup"]
    assert job["secrets"] == {"PGPASSWORD": None}


@pytest.mark.parametrize("checkpoints", [None, "/mnt/checkpoints", "s3://bucket/x"])
def test_the_compose_file_is_valid_and_confined(checkpoints: str | None, tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_text(make("compose", **COMMON, **FULL["compose"], checkpoints=checkpoints))
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    ended = subprocess.run(check, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    service = find_service(parse(file.read_text()))
    assert service["read_only"] is service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["secrets"] == ["postgres_password"]
    [devices] = service["deploy"]["resources"]["reservations"]["devices"]
    assert devices == {"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}


@targets
def test_every_option_that_a_target_reads_changes_its_file(target: str) -> None:
    whole = {**COMMON, **FULL[target], "objective": "cifar-depth", "checkpoints": "s3://b/c"}
    if target == "compose":
        whole["checkpoints"] = "/mnt/checkpoints"
    text = make(target, **whole)
    for name in whole:
        assert make(target, **{other: value for other, value in whole.items() if other != name}) != text, name


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("slurn", {}, "did you mean slurm?"),
        ("slurm", {"queue": "team-a"}, "slurm does not read --queue, which is for kubernetes"),
        ("compose", {"gpu_type": "A100"}, "--gpu-type, which is for slurm, kubernetes, skypilot"),
        ("slurm", {"storage": None}, "cannot reach the embedded server"),
        ("slurm", {"partition": "a b"}, "--partition takes letters"),
        ("slurm", {"time": "1\n#SBATCH --wrap=x"}, "--time takes letters"),
        ("slurm", {"time": "1:2:3:4"}, "--time is a limit such as 24:00:00"),
        ("slurm", {"time": "2:00"}, "--time must be more than 2 minutes, but got 2:00"),
        (
            "slurm",
            {"time": "1h"},
            "--time is a limit such as 24:00:00, 2-12 (days-hours) or 90 (minutes), but got '1h'",
        ),
        ("slurm", {"memory": "16 GB"}, "--memory is a number of gigabytes such as 16G, but got '16 GB'"),
        ("slurm", {"workers": 0}, "--workers must be at least 1, but got 0"),
        ("slurm", {"gpus": -1}, "--gpus must be at least 0, but got -1"),
        ("slurm", {"cpus": 0}, "--cpus must be at least 1, but got 0"),
        ("slurm", {"objective": "\udcff"}, "--objective is not valid UTF-8"),
        ("slurm", {"study": "a\nb"}, "a study's name"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(target: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        make(target, **options)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("2", 120), ("1:59", 119), ("0:02:01", 121), ("120", 7200), ("24:00:00", 86400)),
        *(("1-0", 86400), ("0-0:02", 120), ("1-2:3:4", 93784), ("0", 0), ("UNLIMITED", 0), ("infinite", 0)),
    ],
)
def test_time_limits_are_read_as_sbatch_reads_them(text: str, seconds: int) -> None:
    assert read_time_limit(text) == seconds
    if seconds == 0 or seconds > 120:
        assert f"#SBATCH --time={text}\n" in make("slurm", time=text)
    else:
        with pytest.raises(UsageError, match="--time must be more than 2 minutes"):
            make("slurm", time=text)


def test_the_command_prints_or_writes_the_same_file(tmp_path: Path) -> None:
    line = ("deploy", "slurm", "--study", "digits-depth", "--workers", "4", "--storage", STORAGE)
    shown = done(*line)
    written = done(*line, "-o", tmp_path / "workers.sh")
    assert (written.out, written.lines[-1]) == ("", f"wrote {tmp_path / 'workers.sh'}")
    assert shown.out == (tmp_path / "workers.sh").read_text() == make("slurm", workers=4)
    assert "without --checkpoints" in shown.err
    assert "wrote" not in shown.err
    refused = search(*line, "-o", tmp_path / "no" / "workers.sh")
    assert (refused.code, "cannot be written" in refused.err) == (1, True)
