"""How good a run was: what is wrong with one that has ended, or with a phase, in sentences.

Pure. A "completed" is a claim: it is held against its own numbers and against what was seen.
"""

from relay.config.watchdog import QualityOptions
from relay.events import Phase, Severity
from relay.events.wording import figure, lasting
from relay.runs.findings import Finding
from relay.runs.run import PhaseRun, Run
from relay.runs.signals import State
from relay.watchdog.baseline import Baseline

RESULTS = {"indicators_calculated": Phase.INDICATORS, "patterns_detected": Phase.PATTERNS}
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
        f"The {phase} phase ended with {_percent(rate)} of its symbols processed well"
        f"{_of_symbols(its)}; at least {_percent(least)} is expected, {verdict}."
    )
    return [
        Finding(
            "low_success_rate",
            Severity.CRITICAL,
            f"processed only {_percent(rate)} of its symbols well",
            sentence,
            about=phase.value,
        )
    ]


def _failed(run: Run) -> Finding:
    phase = next((phase for phase, its in run.phases.items() if its.state is State.FAILED), None)
    where = f" in the {phase} phase" if phase else ""
    lasted = f" after {lasting(run.duration_seconds)}" if run.duration_seconds is not None else ""
    cause = f" Reason given: {run.reason}." if run.reason else ""
    number = "One error was heard" if run.errors == 1 else f"{run.errors} errors were heard, the last"
    errors = f" {number}: {run.last_error}." if run.errors else ""
    symbol = f" The last symbol was {run.last_symbol}." if run.last_symbol else ""
    until = f"the run {run.followed_by} has completed" if run.followed_by else "it is run again"
    sentence = f"It failed{where}{lasted}.{cause}{errors}{symbol} The day's data is incomplete until {until}."
    return Finding("run_failed", Severity.CRITICAL, f"failed{where}", sentence, about=phase.value if phase else "")


def _cancelled(run: Run) -> Finding:
    lasted = f" after {lasting(run.duration_seconds)}" if run.duration_seconds is not None else ""
    sentence = f"It was cancelled{lasted}. The day's data is incomplete unless it is run again."
    return Finding("run_cancelled", Severity.WARNING, "was cancelled", sentence)


def _partial(run: Run) -> list[Finding]:
    if run.state is not State.PARTIAL:
        return []
    failed = f" {run.symbols_failed} symbols failed." if run.symbols_failed else ""
    sentence = f"It ended, by its own word, only in part.{failed}"
    return [Finding("run_partial", Severity.ERROR, "ended only in part", sentence)]


def _achievements(run: Run, options: QualityOptions) -> list[Finding]:
    zero = [name for name in ("symbols_processed", *RESULTS) if _is_expected(run, name) and getattr(run, name) == 0]
    if zero:
        known = {name: getattr(run, name) for name in ("symbols_processed", *RESULTS)}
        counts = ", ".join(f"{figure(count)} {_words(name)}" for name, count in known.items() if count is not None)
        sentence = f"It calls itself {run.state}, with {counts}. Nothing was computed: do not trust the day's data."
        return [Finding("zero_results", Severity.CRITICAL, f"completed with zero {_words(zero[0])}", sentence)]
    findings = []
    if run.success_rate is not None and run.success_rate < options.success_rate:
        sentence = (
            f"{_percent(run.success_rate)} of the symbols went well ({run.symbols_failed or 'some'} failed);"
            f" at least {_percent(options.success_rate)} is expected."
        )
        title = f"processed only {_percent(run.success_rate)} of its symbols well"
        findings.append(Finding("low_success_rate", Severity.CRITICAL, title, sentence))
    least = {"symbols_processed": options.min_symbols}
    least |= {"indicators_calculated": options.min_indicators, "patterns_detected": options.min_patterns}
    for name, minimum in least.items():
        found = getattr(run, name)
        if _is_expected(run, name) and found is not None and found < minimum:
            sentence = f"It has {figure(found)} {_words(name)}; at least {figure(minimum)} are expected."
            title = f"has too few {_words(name)}"
            findings.append(Finding("few_results", Severity.ERROR, title, sentence, about=_words(name)))
    return findings


def _honesty(run: Run) -> list[Finding]:
    """Claims against what was seen."""
    findings = []
    broken = [phase for phase, its in run.phases.items() if its.state is State.FAILED]
    if broken and run.state is State.COMPLETED:
        names = ", ".join(broken)
        sentence = f"It calls itself completed, though this failed: {names}."
        findings.append(
            Finding(
                "claims_differ", Severity.ERROR, f"calls itself completed, though {names} failed", sentence, about=names
            )
        )
    for name, phase in {"symbols_processed": Phase.IMPORT, **RESULTS}.items():
        claimed, its = getattr(run, name), run.phases.get(phase)
        seen = getattr(its, name) if its is not None else None
        if claimed is None or its is None or seen is None:
            continue
        excess = claimed - seen if name in its.reported_counts else 0  # what progress told was not the end of it
        if max(seen - claimed, excess) <= DIFFERENCE * max(claimed, seen):
            continue
        sentence = f"It claims {figure(claimed)} {_words(name)}; its {phase} phase told of {figure(seen)}."
        findings.append(
            Finding(
                "claims_differ",
                Severity.WARNING,
                f"claims {_words(name)} that do not add up",
                sentence,
                about=_words(name),
            )
        )
    return findings


def _course(run: Run) -> list[Finding]:
    """Whether it went the contract's way; only a run that was heard from its start on can be blamed."""
    if not run.start_seen or run.had_gap:
        return []
    findings = []
    missing = [phase for phase in run.expected if phase not in run.phases]
    if missing:
        names = " and ".join(missing)
        sentence = f"Nothing was heard of {names}: the phase did not run, or did not say so."
        findings.append(Finding("phase_missing", Severity.ERROR, f"ran without {names}", sentence, about=names))
    elif run.surprises:
        sentence = f"Its phases did not come in order: {'; '.join(run.surprises)}."
        findings.append(Finding("out_of_order", Severity.WARNING, "ran out of order", sentence))
    if (run.is_reconstructed or run.is_guessed) and run.events:
        sentence = "It never said that it had ended; its end was worked out from the API."
        findings.append(Finding("completion_not_reported", Severity.WARNING, "ended without a word", sentence))
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
    for manner in (
        ("fast",) if set(run.alert_names) - {"run_disputed"} else ("slow", "fast")
    ):  # that it was slow was said while it ran
        sentences = " ".join(remark[1] for remark in remarks if remark is not None and remark[0] == manner)
        if sentences:
            findings.append(Finding(f"too_{manner}", Severity.WARNING, f"was unusually {manner}", sentences))
    for name in ("symbols_processed", *RESULTS):
        found = getattr(run, name)
        if found is not None and (few := baseline.remark_on_count(_words(name), found, baseline.count(name))):
            findings.append(
                Finding(
                    "few_results",
                    Severity.WARNING,
                    f"has unusually few {_words(name)}",
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


def _percent(rate: float) -> str:
    return f"{rate:.4g} %"


def _of_symbols(its: PhaseRun) -> str:
    if its.symbols_failed is None or not its.symbols_total:
        return ""
    return f" ({its.symbols_failed} of {its.symbols_total} failed)"
