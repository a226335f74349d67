"""How good a run was: what is wrong with one that has ended, or with a phase, in sentences.

Pure. A "completed" is a claim: it is held against its own numbers and against what was seen.
"""

from relay.config.watchdog import QualityOptions
from relay.events import Phase, Severity
from relay.events.wording import clock_time, duration, figure, percent
from relay.runs.findings import Finding
from relay.runs.run import PhaseRun, Run
from relay.runs.signals import State
from relay.watchdog.baseline import Baseline

RESULTS = {"indicators_calculated": Phase.INDICATORS, "patterns_detected": Phase.PATTERNS}
TOO = {"fast": "completed too fast", "slow": "was slower than usual"}
DIFFERENCE = 0.1
"""Of the larger number: claimed and seen may differ by so much."""


def judge(run: Run, options: QualityOptions, baseline: Baseline) -> list[Finding]:
    """What is wrong with a run that has ended, the worst first; empty for a good one."""
    if run.state is State.FAILED:
        return [_failed(run)]
    if run.state is State.CANCELLED:
        return [_cancelled(run)]
    findings = [*_partial(run), *_achievements(run, options), *_honesty(run), *_course(run)]
    if not any(finding.severity >= Severity.CRITICAL for finding in findings):
        findings += _unusual(run, baseline)
    return sorted(findings, key=lambda finding: -finding.severity)


def judge_phase(run: Run, phase: Phase, options: QualityOptions) -> list[Finding]:
    """What is wrong with a phase that has ended while the run goes on."""
    rate, its = run.phases[phase].success_rate, run.phases[phase]
    least = options.import_success_rate if phase is Phase.IMPORT else options.success_rate
    if its.state is State.FAILED or rate is None or rate >= least:
        return []
    verdict = "so the import counts as failed" if phase is Phase.IMPORT else "so its results have holes"
    sentence = (
        f"The {phase} phase ended with {percent(rate)} of its symbols processed well"
        f"{_of_symbols(its)}; at least {percent(least)} is expected, {verdict}."
    )
    return [Finding("low_success_rate", Severity.CRITICAL, "has a low success rate", sentence, about=phase.value)]


def _failed(run: Run) -> Finding:
    where = _where(run, State.FAILED)
    cause = f" Reason given: {run.reason}." if run.reason else ""
    number = "1 error was received" if run.errors == 1 else f"{figure(run.errors)} errors were received, the last"
    errors = f" {number}: {run.last_error}." if run.errors else ""
    symbol = f" The last symbol was {run.last_symbol}." if run.last_symbol else ""
    until = f"the run {run.followed_by} has completed" if run.followed_by else "it is run again"
    sentence = f"It failed{where}{_when(run)}.{cause}{errors}{symbol} The day's data is incomplete until {until}."
    return Finding("run_failed", Severity.CRITICAL, f"failed{where}", sentence, about=where.removeprefix(" in "))


def _cancelled(run: Run) -> Finding:
    where = _where(run, State.CANCELLED)
    sentence = f"It was cancelled{where}{_when(run)}. The day's data is incomplete unless it is run again."
    return Finding("run_cancelled", Severity.WARNING, f"was cancelled{where}", sentence)


def _where(run: Run, state: State) -> str:
    phase = next((phase for phase, its in run.phases.items() if its.state is state), None)
    return f" in {phase}" if phase else ""


def _when(run: Run) -> str:
    ended = f" at {clock_time(run.ended_at, run.began, named=True)}" if run.ended_at else ""
    return ended + (f" after {duration(run.duration_seconds)}" if run.duration_seconds is not None else "")


def _partial(run: Run) -> list[Finding]:
    if run.state is not State.PARTIAL:
        return []
    failed = f" {run.symbols_failed} symbols failed." if run.symbols_failed else ""
    sentence = f"TickStockPL reported it as partial.{failed}"
    return [Finding("run_partial", Severity.ERROR, "completed partially", sentence)]


def _achievements(run: Run, options: QualityOptions) -> list[Finding]:
    zero = [name for name in ("symbols_processed", *RESULTS) if _is_expected(run, name) and getattr(run, name) == 0]
    if zero:
        known = {name: getattr(run, name) for name in ("symbols_processed", *RESULTS)}
        counts = ", ".join(f"{figure(count)} {_words(name)}" for name, count in known.items() if count is not None)
        sentence = (
            f"TickStockPL reported it as {run.state}, with {counts}. Nothing was computed: do not use the day's data."
        )
        return [Finding("zero_results", Severity.CRITICAL, "completed without results", sentence)]
    findings = []
    if run.success_rate is not None and run.success_rate < options.success_rate:
        sentence = (
            f"{percent(run.success_rate)} of the symbols went well ({run.symbols_failed or 'some'} failed);"
            f" at least {percent(options.success_rate)} is expected."
        )
        findings.append(Finding("low_success_rate", Severity.CRITICAL, "has a low success rate", sentence))
    least = {"symbols_processed": options.min_symbols}
    least |= {"indicators_calculated": options.min_indicators, "patterns_detected": options.min_patterns}
    for name, minimum in least.items():
        found = getattr(run, name)
        if _is_expected(run, name) and found is not None and found < minimum:
            sentence = f"It has {figure(found)} {_words(name)}; at least {figure(minimum)} are expected."
            title = f"completed with few {_words(name)}"
            findings.append(Finding("few_results", Severity.ERROR, title, sentence, about=_words(name)))
    return findings


def _honesty(run: Run) -> list[Finding]:
    """Claims against what was seen."""
    findings = []
    if run.state is State.COMPLETED:
        findings += _unclear(run)
    for name, phase in {"symbols_processed": Phase.IMPORT, **RESULTS}.items():
        claimed, its = getattr(run, name), run.phases.get(phase)
        seen = getattr(its, name) if its is not None else None
        if claimed is None or its is None or seen is None:
            continue
        excess = claimed - seen if name in its.reported_counts else 0  # what progress told was not the end of it
        if max(seen - claimed, excess) <= DIFFERENCE * max(claimed, seen):
            continue
        sentence = (
            f"At the end it reported {figure(claimed)} {_words(name)}; its {phase} phase had reported {figure(seen)}."
        )
        title = "reported numbers that differ"
        findings.append(Finding("claims_differ", Severity.WARNING, title, sentence, about=_words(name)))
    return findings


def _unclear(run: Run) -> list[Finding]:
    """What speaks against an end that was published as completed."""
    failed = [phase for phase, its in run.phases.items() if its.state is State.FAILED]
    sentences = [f"TickStockPL reported completion, though {' and '.join(failed)} failed."] if failed else []
    ends = {"the run": run.contradiction} | {phase: its.contradiction for phase, its in run.phases.items()}
    against = {what: words for what, words in ends.items() if words and what not in failed}
    sentences += [f"The end of {what} was published as completed, with {words}." for what, words in against.items()]
    if not sentences:
        return []
    about = " and ".join([*failed, *against])
    return [Finding("result_unclear", Severity.ERROR, "has an unclear result", " ".join(sentences), about=about)]


def _course(run: Run) -> list[Finding]:
    """Whether it went the contract's way; only a run that was heard from its start on can be blamed."""
    if not run.start_seen or run.had_gap:
        return []
    findings = []
    missing = [phase for phase in run.expected if phase not in run.phases]
    if missing:
        names = " and ".join(missing)
        sentence = f"No event of {names} came: the phase did not run, or did not report."
        findings.append(Finding("phase_missing", Severity.ERROR, f"completed without {names}", sentence, about=names))
    elif run.surprises:
        sentence = f"Its phases did not come in order: {'; '.join(run.surprises)}."
        findings.append(Finding("out_of_order", Severity.WARNING, "ran out of order", sentence))
    if (run.is_reconstructed or run.is_guessed) and run.events:
        sentence = "It never published that it had ended; its end was worked out from TickStockPL's API."
        findings.append(Finding("completion_not_reported", Severity.WARNING, "ended without a report", sentence))
    return findings


def _unusual(run: Run, baseline: Baseline) -> list[Finding]:
    """Durations and counts against what is usual."""
    if not run.is_scheduled:
        return []
    remarks = []
    for phase, its in run.phases.items():
        if its.state is State.COMPLETED and its.duration_seconds is not None:
            band = baseline.phase(phase)
            remarks.append(baseline.remark_on_duration(f"The {phase} phase", its.duration_seconds, band))
    if run.duration_seconds is not None and not any(remarks):
        remarks.append(baseline.remark_on_duration("The run", run.duration_seconds, baseline.duration()))
    findings = []
    # While it ran, it was said that it is slow.
    manners = ("fast",) if set(run.alert_names) - {"run_disputed"} else ("slow", "fast")
    for manner in manners:
        sentences = " ".join(remark[1] for remark in remarks if remark is not None and remark[0] == manner)
        if sentences:
            findings.append(Finding(f"too_{manner}", Severity.WARNING, TOO[manner], sentences))
    for name in ("symbols_processed", *RESULTS):
        found = getattr(run, name)
        if found is not None and (few := baseline.remark_on_count(_words(name), found, baseline.count(name))):
            findings.append(
                Finding(
                    "few_results",
                    Severity.WARNING,
                    f"completed with few {_words(name)}",
                    f"It has {few}",
                    about=_words(name),
                )
            )
    return findings


def _is_expected(run: Run, name: str) -> bool:
    phase = RESULTS.get(name)
    return phase is None or phase in run.expected


def _words(name: str) -> str:
    """`patterns_detected` as "patterns"."""
    return name.partition("_")[0]


def _of_symbols(its: PhaseRun) -> str:
    if its.symbols_failed is None or not its.symbols_total:
        return ""
    return f" ({its.symbols_failed} of {its.symbols_total} failed)"
