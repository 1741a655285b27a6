"""``brokerproof lab prove``: what is refused, what is written, and what the exit code says. No lab is started."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from brokerproof.accuracy import rules
from brokerproof.accuracy.cases import Case
from brokerproof.accuracy.matrix import decode_matrix
from brokerproof.accuracy.render import HTML, JSON, MARKDOWN
from brokerproof.accuracy.stored_evidence import keep, seen_in
from brokerproof.accuracy.trial import ClientTime, Named, Selection, Trial
from brokerproof.accuracy.trial_journal import NAME, read
from brokerproof.cli import prove
from brokerproof.cli.main import main
from brokerproof.lab.faults import FAULTS


def command(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["lab", "prove", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


class Oracle:
    """Says of every fault what it is told to."""

    def __init__(self) -> None:
        self.knows = True
        self.broken = ""
        self.stop_at: str | None = None
        self.selections: list[Selection] = []

    def by(self, selection: Selection) -> Oracle:
        self.selections.append(selection)
        return self

    def carry_out(self, case: Case) -> Trial:
        if case.case_id == self.stop_at:
            raise KeyboardInterrupt
        codes = [(cause.cause,) if self.knows else ("dns.cname_loop",) for cause in case.injected]
        return Trial(
            case_id=case.case_id,
            kind=case.kind,
            pattern=case.pattern,
            injected=case.injected,
            answer="findings" if codes else "nothing_wrong",
            named=tuple(Named(codes=one, stage="connect") for one in codes),
            clients=(ClientTime(client="peered", took_ms=900, deadline_ms=45_000),),
            verdict_ms=901,
            problem="the lab ended" if self.broken and self.broken in case.case_id else "",
        )

    def abandon(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> Oracle:
    made = Oracle()
    monkeypatch.setattr(prove, "_prover", lambda selection, _keep_in: made.by(selection))
    monkeypatch.setattr(prove, "_require_lab", lambda _cases, _workers: None)
    return made


SOME = ("--pattern", "peering", "--layer", "route", "--clean", "2")


def test_all_right(oracle: Oracle, tmp_path: Path) -> None:
    code, said, told = command(*SOME, "-o", tmp_path / "out", "--page", tmp_path / "accuracy.md")
    assert code == 0, told
    assert "clean: 2 trials, 0 false alarms" in said
    assert "left] single/peering/" in told
    assert "as it must be, 0.901 s" in told
    assert {path.name for path in (tmp_path / "out").iterdir()} == {NAME, JSON, MARKDOWN, HTML}
    assert (tmp_path / "accuracy.md").read_text() == (tmp_path / "out" / MARKDOWN).read_text()
    assert (tmp_path / "accuracy.json").read_bytes() == (tmp_path / "out" / JSON).read_bytes()
    (tmp_path / "accuracy.md").unlink()
    assert command("--render", tmp_path / "accuracy.json", "--page", tmp_path / "accuracy.md")[0] == 0
    assert (tmp_path / "accuracy.md").read_text() == (tmp_path / "out" / MARKDOWN).read_text()


def test_something_wrong(oracle: Oracle, tmp_path: Path) -> None:
    oracle.knows = False
    code, said, _ = command(*SOME, "-o", tmp_path)
    assert code == 1
    assert "0 named alone (0 %), 0 in a right set (0 %)" in said
    assert " wrong causes said alone" in said


def test_something_could_not_be_carried_out(oracle: Oracle, tmp_path: Path) -> None:
    oracle.broken = "clean/"
    assert command(*SOME, "-o", tmp_path)[0] == 3
    # And is tried again, alone.
    oracle.broken = ""
    code, _, told = command("-o", tmp_path, "--resume")
    assert code == 0
    assert [line.split("] ")[1].split("/")[0] for line in told.splitlines()] == ["clean", "clean"]


def test_several_at_once(oracle: Oracle, tmp_path: Path) -> None:
    code, _, told = command("--no-singles", "--together", "2", "--draws", "3", "--seed", "5", "-o", tmp_path)
    assert code == 0, told
    matrix = decode_matrix((tmp_path / JSON).read_bytes())
    assert len(matrix.trials) == 3
    assert (matrix.header.selection.seed, matrix.header.selection.draws) == (5, 3)


def test_an_interrupted_proof_is_continued(oracle: Oracle, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert command(*SOME, "-o", whole)[0] == 0
    every = [trial.case_id for trial in read(whole / NAME)[1]]
    oracle.stop_at = every[2]
    cut = tmp_path / "cut"
    code, _, told = command(*SOME, "-o", cut)
    assert code == 3, told  # the defect of a worker; Ctrl-C itself comes to the main thread
    assert [trial.case_id for trial in read(cut / NAME)[1]] == every[:2]
    assert not decode_matrix((cut / JSON).read_bytes()).complete
    oracle.stop_at = None
    assert command("-o", cut, "--resume")[0] == 0
    assert decode_matrix((cut / JSON).read_bytes()).trials == decode_matrix((whole / JSON).read_bytes()).trials


def test_a_proof_with_the_account_is_continued_with_it(oracle: Oracle, tmp_path: Path) -> None:
    oracle.broken = "clean/"
    assert command(*SOME, "--aws", "-o", tmp_path)[0] == 3
    oracle.broken = ""
    assert command("-o", tmp_path, "--resume")[0] == 0
    assert {selection.aws for selection in oracle.selections} == {True}


def test_ctrl_c_says_how_to_go_on(oracle: Oracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prove, "run", interrupted)
    code, _, told = command(*SOME, "-o", tmp_path)
    assert code == 130
    assert f"continue with: brokerproof lab prove -o {tmp_path} --resume" in told
    assert (tmp_path / JSON).exists()


def test_rendered_again_without_running(oracle: Oracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(*SOME, "-o", tmp_path)[0] == 0
    before = (tmp_path / HTML).read_bytes()
    (tmp_path / HTML).unlink()
    (tmp_path / NAME).unlink()
    monkeypatch.setattr(prove, "run", pytest.fail)
    assert command("--render", tmp_path, "--page", tmp_path / "page.md") == (0, "", "")
    assert (tmp_path / HTML).read_bytes() == before
    assert (tmp_path / "page.md").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pattern", "x"], "'x' is not one of"),
        (["--layer", "x"], "'x' is not one of"),
        (["--fault", "x"], "'x' is not one of"),
        (["--together", "1"], "1 is not in the range"),
        (["--draws", "3"], "give both"),
        (["--workers", "0"], "0 is not in the range"),
        (["--no-singles"], "nothing is chosen"),
        (["--pattern", "in_vpc", "--fault", "endpoint-rejected"], "nothing is chosen"),
        (["--resume"], "needs -o DIR"),
        (["--resume", "-o", "there", "--clean", "1"], "leave out --clean"),
        (["--resume", "-o", "there", "--aws"], "leave out --aws"),
        (["--resume", "-o", "there"], "cannot be read"),
        (["--render", "there"], "cannot be read"),
        (["--render", "there.json"], "give --page, where"),
        (["--render", "there", "--seed", "1"], "--render runs nothing: leave out --seed"),
    ],
)
def test_wrong_use(
    oracle: Oracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said, told = command(*arguments)
    assert (code, said) == (2, "")
    assert words in told
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_kept_is_not_diagnosed_again(oracle: Oracle, tmp_path: Path) -> None:
    assert command(*SOME, "-o", tmp_path)[0] == 0
    code, _, told = command("--rediagnose", tmp_path)
    assert code == 2
    assert "evidence" in told
    assert "cannot be read" in told
    assert command("--rediagnose", tmp_path, "--keep")[0] == 2


def test_other_expectations_are_younger_than_the_trials_too(
    oracle: Oracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("--pattern", "in_vpc", "--fault", "certificate-expired", "-o", tmp_path)[0] == 0
    keep(tmp_path, read(tmp_path / NAME)[1][0].case_id, [])
    there = FAULTS["certificate-expired"]
    monkeypatch.setitem(FAULTS, there.name, dataclasses.replace(there, alike=()))
    command("--rediagnose", tmp_path)
    assert decode_matrix((tmp_path / JSON).read_bytes()).header.diagnosed_again


def test_a_proof_is_not_continued_by_other_rules(
    oracle: Oracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(*SOME, "-o", tmp_path)[0] == 0
    monkeypatch.setattr(rules, "digest", lambda: "0" * 64)
    code, _, told = command("-o", tmp_path, "--resume")
    assert code == 2
    assert "rules have changed since" in told


def test_the_machine_is_busy_for_those_trials_alone(
    oracle: Oracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load: list[str] = []

    @contextmanager
    def noted() -> Iterator[None]:
        load.append("on")
        yield
        load.append("off")

    monkeypatch.setattr(prove, "busy_machine", noted)
    carry_out = oracle.carry_out

    def carried_out(case: Case) -> Trial:
        load.append(case.kind.value)
        return carry_out(case)

    monkeypatch.setattr(oracle, "carry_out", carried_out)
    quiet = ("--no-singles", "--pattern", "in_vpc", "--clean", "2")
    code, said, _ = command(*quiet, "--busy", "2", "-o", tmp_path / "both")
    assert code == 0
    assert load == ["clean", "clean", "on", "busy", "busy", "off"]
    assert "busy: 2 trials, 0 false alarms" in said
    load.clear()
    assert command("-o", tmp_path / "both", "--resume")[0] == 0
    assert command(*quiet, "-o", tmp_path / "quiet")[0] == 0
    assert load == ["clean", "clean"]


def test_several_proofs_are_one_page(oracle: Oracle, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    assert command("--pattern", "in_vpc", "--fault", "certificate-expired", "-o", one)[0] == 0
    assert command("--no-singles", "--together", "2", "--draws", "1", "--seed", "9", "-o", other)[0] == 0
    page = tmp_path / "page.md"
    assert command("--render", one, "--render", other, "--page", page)[0] == 0
    assert "several faults at once, drawn with seed 9" in page.read_text()
    assert "one fault at a time" in page.read_text()
    before = page.read_text()
    assert command("--render", tmp_path / "page.json", "--page", page)[0] == 0
    assert page.read_text() == before


def test_what_was_kept_is_diagnosed_again(oracle: Oracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle.knows = False
    assert command("--pattern", "in_vpc", "--fault", "certificate-expired", "-o", tmp_path)[0] == 1
    trial = read(tmp_path / NAME)[1][0]
    keep(tmp_path, trial.case_id, [])
    assert seen_in(tmp_path, trial.case_id) == ()
    code, said, _ = command("--rediagnose", tmp_path)
    assert code == 1
    assert "0 detected" in said
    header = decode_matrix((tmp_path / JSON).read_bytes()).header
    assert (header.rules, header.diagnosed_again) == (rules.digest(), False)  # the same rules, so the same figures
    monkeypatch.setattr(rules, "digest", lambda: "0" * 64)
    assert command("--rediagnose", tmp_path)[0] == 1
    header = decode_matrix((tmp_path / JSON).read_bytes()).header
    assert (header.rules, header.diagnosed_again) == ("0" * 64, True)
    (tmp_path / "evidence" / f"{trial.case_id.replace('/', '.')}.json.gz").write_bytes(b"x")
    code, _, told = command("--rediagnose", tmp_path)
    assert code == 2, told


def test_a_folder_with_a_proof_is_not_begun_over(oracle: Oracle, tmp_path: Path) -> None:
    assert command(*SOME, "-o", tmp_path)[0] == 0
    code, _, told = command(*SOME, "-o", tmp_path)
    assert code == 2
    assert "continue it with --resume" in told


def test_other_faults_are_another_proof(oracle: Oracle, tmp_path: Path) -> None:
    assert command(*SOME, "-o", tmp_path)[0] == 0
    journal = tmp_path / NAME
    header, _ = read(journal)
    journal.write_text(journal.read_text().replace(header.digest, "0" * 64))
    code, _, told = command("-o", tmp_path, "--resume")
    assert code == 2
    assert "have changed since" in told


def test_a_matrix_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / JSON).write_text('{"matrix_version": 99}')
    code, _, told = command("--render", tmp_path)
    assert code == 2
    assert "version 99" in told


def test_where_no_lab_can_run_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path / "none"))
    code, _, told = command(*SOME, "-o", tmp_path / "out")
    assert code == 3, told
    assert not (tmp_path / "out").exists()
