//! What was found, in sentences.

use super::cast::{SHIPPED, description, line};
use super::document::{Block, Finding};
use super::reading::{FamilyContrast, Reading};
use super::words::{
    capitalised, count, gap, listed, milliseconds, p_equals, range, signed, signed_with_interval, times,
    worth,
};
use crate::experiment::Protocol;
use crate::statistics::{DEFAULT_RESAMPLES, Interval};
use crate::summary::{Contrast, Measure, Outcome, PARTS, REFERENCES};
use crate::tune::TUNED;

/// Rankings that take as many disturbed copies of the query as the method, and no fitting.
const CONTROLS: [&str; 2] = ["best-copy", "views-copies"];

/// Most differences that a sentence gives one by one.
const MOST_LISTED: usize = 6;

/// A protocol's verdict: its first sentence, then the grounds.
pub(super) fn verdict(reading: &Reading<'_>) -> Vec<Block> {
    let (references, missing) = against_references(reading);
    let groups = [
        ("What the names mean", names(reading)),
        ("Against the references", references),
        ("The preset as it is shipped, and a preset that was searched for", presets(reading)),
        ("By kind of disturbance", by_family(reading)),
        ("What each part of the method adds", parts(reading, |second| !CONTROLS.contains(&second))),
        (
            "Against as many copies of the query without any fitting",
            parts(reading, |s| CONTROLS.contains(&s)),
        ),
        ("Changed settings", changed(reading)),
        ("What a query costs", costs(reading)),
        ("What a shortlist keeps", shortlists(reading)),
        ("Not answered by this run", unanswered(reading, &missing)),
    ];
    let with_findings = groups.into_iter().filter(|(_, findings)| !findings.is_empty());
    [Block::Headline(headline(reading)), Block::Text(question(reading))]
        .into_iter()
        .chain(with_findings.map(|(title, findings)| Block::Findings(title.to_owned(), findings)))
        .collect()
}

/// How the verdict is to be taken.
pub(super) fn caution(reading: &Reading<'_>) -> String {
    let conditions = reading.experiment.conditions.len();
    format!(
        "Means are over all {conditions} conditions, the clean one among them, and over {queries} queries. Intervals \
         hold 95 % of {resamples} resamples of the queries. Differences are paired query by query; their p values \
         are corrected after Holm over all contrasts of the protocol, and those by kind of disturbance and of changed \
         settings each among themselves. Better and worse ask for an interval clear of zero and a corrected p below \
         0.05. \"No difference is shown\" means that these queries do not \
         decide, not that two rankings are equal.{identity}",
        queries = count(reading.experiment.queries),
        resamples = count(DEFAULT_RESAMPLES),
        identity = identity(reading).unwrap_or_default(),
    )
}

/// Whether an undisturbed exemplar finds itself: a check of the run, not of a ranking.
fn identity(reading: &Reading<'_>) -> Option<String> {
    let clean = line(reading.summary, "l2")?.conditions.first()?;
    let found = clean.measures.get(&Measure::Retrieved)?.estimate;
    let share = worth(Measure::Retrieved, found);
    Some(if found < 1.0 {
        format!(
            " Beware: l2 finds only {share} of the clean queries. Some exemplars are the same image, or something is \
             wrong with the run."
        )
    } else {
        format!(" As a check of the run, l2 finds {share} of the clean queries.")
    })
}

fn headline(reading: &Reading<'_>) -> String {
    let protocol = capitalised(&reading.summary.protocol.to_string());
    let Some(best) = reading.summary.lines.iter().find(|line| reading.worth(&line.contestant).is_some())
    else {
        return format!("{protocol}: no ranking has the main measure, {}.", reading.main.name());
    };
    let Some(method) = reading.cast.method.as_deref() else {
        return format!(
            "{protocol}: no ranking of this run is the method; {} has the highest mean.",
            best.contestant
        );
    };
    let mut sentences = vec![format!("{protocol}: {}.", standing(reading, method, &REFERENCES))];
    let controls: Vec<&str> =
        CONTROLS.into_iter().filter(|name| reading.contrast(method, name).is_some()).collect();
    if !controls.is_empty() {
        let text = standing(reading, method, &controls);
        sentences.push(format!(
            "Compared with rankings that take as many copies of the query and fit nothing, {text}."
        ));
    }
    let rankings = reading.summary.lines.len();
    sentences.push(match reading.worth(&best.contestant) {
        Some(_) if best.contestant == method => {
            format!("It has the highest mean of all {rankings} rankings.")
        }
        Some(mean) => {
            let worth = worth(reading.main, mean.estimate);
            format!("The highest mean of all {rankings} rankings is that of {}: {worth}.", best.contestant)
        }
        None => String::new(),
    });
    sentences.join(" ")
}

/// `tmm beats l2 and cosine; against whitened no difference is shown`.
fn standing(reading: &Reading<'_>, method: &str, others: &[&str]) -> String {
    let of = |outcome: Outcome| -> Vec<&str> {
        let shows = |second: &&&str| reading.contrast(method, second).map(Contrast::outcome) == Some(outcome);
        others.iter().filter(shows).copied().collect()
    };
    let (beaten, better, open) = (of(Outcome::Better), of(Outcome::Worse), of(Outcome::Open));
    let mut decided = Vec::new();
    if !beaten.is_empty() {
        decided.push(format!("beats {}", listed(&beaten)));
    }
    if !better.is_empty() {
        decided.push(format!("is beaten by {}", listed(&better)));
    }
    match (decided.join(" and "), open.is_empty()) {
        (decided, true) if decided.is_empty() => format!("{method} is compared with no other ranking"),
        (decided, true) => format!("{method} {decided}"),
        (decided, false) if decided.is_empty() => {
            format!("no difference from {} is shown for {method}", listed(&open))
        }
        (decided, false) => format!("{method} {decided}; against {} no difference is shown", listed(&open)),
    }
}

/// What a query is, and when a ranking is right.
fn question(reading: &Reading<'_>) -> String {
    let exemplars = count(reading.exemplars);
    match reading.summary.protocol {
        Protocol::SelfRetrieval => format!(
            "Each query is one of the {exemplars} stored exemplars, disturbed: a ranking is right when it puts the \
             original first."
        ),
        Protocol::NonSelf => format!(
            "Each query is an image that is not among the {exemplars} stored exemplars, disturbed: a ranking is the \
             better the further up it puts exemplars of the query's class."
        ),
    }
}

/// What the names mean.
fn names(reading: &Reading<'_>) -> Vec<Finding> {
    let mut told: Vec<String> = Vec::new();
    for name in reading.cast.method.as_deref().into_iter().chain(REFERENCES).chain(CONTROLS) {
        let known = reading.experiment.contestants.iter().find(|known| known.name == name);
        let text = known.map(|known| format!("{name}: {}.", description(&known.way)));
        told.extend(text.filter(|text| !told.contains(text)));
    }
    told.into_iter().map(Finding::plain).collect()
}

/// Sentences, and the references that did not take part.
fn against_references(reading: &Reading<'_>) -> (Vec<Finding>, Vec<String>) {
    let Some(method) = reading.cast.method.as_deref() else { return (Vec::new(), Vec::new()) };
    let (mut findings, mut missing) = (Vec::new(), Vec::new());
    if let Some(variants) = reading.cast.chosen_of.filter(|variants| *variants > 1) {
        findings.push(Finding::plain(format!(
            "No ranking is called tmm; {method} stands for the method because its mean is the highest of {variants} \
             forms of it, which flatters it."
        )));
    }
    for reference in REFERENCES.into_iter().filter(|reference| *reference != method) {
        match reading.contrast(method, reference) {
            Some(contrast) => findings.push(sentence(reading, contrast)),
            None => missing.push(format!("how {method} stands against {reference}, which has no results")),
        }
    }
    (findings, missing)
}

/// How presets that took part beside the method stand against the references.
fn presets(reading: &Reading<'_>) -> Vec<Finding> {
    let others = [SHIPPED, TUNED].into_iter().filter(|name| reading.cast.method.as_deref() != Some(*name));
    let contrasts = others.flat_map(|name| {
        REFERENCES.into_iter().filter_map(move |reference| reading.contrast(name, reference))
    });
    contrasts.map(|contrast| sentence(reading, contrast)).collect()
}

/// `tmm finds the original first in 71.3 % of the queries, 13.2 points more than whitened (...)`.
fn sentence(reading: &Reading<'_>, contrast: &Contrast) -> Finding {
    let (main, Contrast { first, second, difference, .. }) = (reading.main, contrast);
    let estimate = |name: &str| reading.worth(name).map_or(f64::NAN, |interval| interval.estimate);
    let of_first = worth(main, estimate(first));
    let does = match main {
        Measure::Retrieved => format!("{first} finds the original first in {of_first} of the queries"),
        Measure::Precision | Measure::AveragePrecision | Measure::Overlap | Measure::RankBiasedOverlap => {
            format!("{first} reaches a {} of {of_first}", main.name())
        }
    };
    let Interval { estimate: by, low, high } = difference.interval;
    let p = p_equals(contrast.adjusted);
    let outcome = contrast.outcome();
    let text = match outcome {
        Outcome::Better => format!(
            "{does}, {} more than {second} (interval {}, {p} after Holm).",
            gap(main, by),
            range(main, low, high)
        ),
        Outcome::Worse => format!(
            "{does}, {} less than {second} (interval {}, {p} after Holm).",
            gap(main, -by),
            range(main, -high, -low)
        ),
        Outcome::Open => format!(
            "No difference between {first} and {second} is shown: {of_first} against {}, {} (interval {}, {p} after \
             Holm).",
            worth(main, estimate(second)),
            gap(main, by),
            range(main, low, high)
        ),
    };
    Finding::of(outcome, text)
}

/// One sentence for each reference and outcome.
fn by_family(reading: &Reading<'_>) -> Vec<Finding> {
    let Some(method) = reading.cast.method.as_deref() else { return Vec::new() };
    let label = |known: &FamilyContrast| match known.family.as_str() {
        "clean" => "clean queries".to_owned(),
        family => family.to_owned(),
    };
    let mut findings = Vec::new();
    for reference in REFERENCES {
        let known: Vec<(String, &Contrast)> = reading
            .by_family
            .iter()
            .filter(|known| known.contrast.second == reference)
            .map(|known| (label(known), &known.contrast))
            .collect();
        findings.extend(grouped(reading.main, &known, |outcome| match outcome {
            Outcome::Better => format!("{method} is better than {reference} under"),
            Outcome::Worse => format!("{method} is worse than {reference} under"),
            Outcome::Open => format!("No difference between {method} and {reference} is shown under"),
        }));
    }
    findings
}

/// What changed settings do, one sentence for each changed contestant and outcome.
fn changed(reading: &Reading<'_>) -> Vec<Finding> {
    // What has a name of its own among the parts is said there.
    let is_part = |first: &str, second: &str| {
        let pairs = [(first, second), (second, first)];
        PARTS.iter().any(|(_, with, without)| pairs.contains(&(*with, *without)))
    };
    let mut bases: Vec<&str> = Vec::new();
    for contrast in &reading.variants {
        if !bases.contains(&contrast.second.as_str()) {
            bases.push(&contrast.second);
        }
    }
    let mut findings = Vec::new();
    for base in bases {
        let known: Vec<(String, &Contrast)> = reading
            .variants
            .iter()
            .filter(|known| known.second == base && !is_part(&known.first, base))
            .map(|known| (known.first.clone(), known))
            .collect();
        findings.extend(grouped(reading.main, &known, |outcome| match outcome {
            Outcome::Better => format!("Better than {base}"),
            Outcome::Worse => format!("Worse than {base}"),
            Outcome::Open => format!("No difference from {base} is shown for"),
        }));
    }
    findings
}

/// Contrasts with their labels by outcome: those that show something first. Many have their numbers in tables only.
fn grouped(main: Measure, known: &[(String, &Contrast)], start: impl Fn(Outcome) -> String) -> Vec<Finding> {
    let of = |outcome: Outcome| {
        let shown: Vec<(&str, Interval)> = known
            .iter()
            .filter(|(_, contrast)| contrast.outcome() == outcome)
            .map(|(label, contrast)| (label.as_str(), contrast.difference.interval))
            .collect();
        let (start, length) = (start(outcome), shown.len());
        if length == 0 {
            return None;
        }
        let text = if length <= MOST_LISTED {
            let parts: Vec<String> = shown
                .iter()
                .map(|(label, interval)| format!("{label} {}", signed_with_interval(main, *interval)))
                .collect();
            format!("{start}: {}.", parts.join(", "))
        } else {
            let names: Vec<&str> = shown.iter().map(|(label, _)| *label).collect();
            let estimates = || shown.iter().map(|(_, interval)| interval.estimate);
            let (least, most) =
                (estimates().fold(f64::INFINITY, f64::min), estimates().fold(f64::NEG_INFINITY, f64::max));
            let (least, most) = (signed(main, least), signed(main, most));
            format!("{start} ({length} of {}, {least} to {most}): {}.", known.len(), listed(&names))
        };
        Some(Finding::of(outcome, text))
    };
    [Outcome::Better, Outcome::Worse, Outcome::Open].into_iter().filter_map(of).collect()
}

/// The pairs that differ in one part.
fn parts(reading: &Reading<'_>, is_wanted: impl Fn(&str) -> bool) -> Vec<Finding> {
    let main = reading.main;
    let finding = |(part, first, second): &(&str, &str, &str)| {
        let contrast = reading.contrast(first, second)?;
        let Interval { estimate: by, low, high } = contrast.difference.interval;
        let outcome = contrast.outcome();
        let p = p_equals(contrast.adjusted);
        let shown = match outcome {
            Outcome::Better => {
                format!("{} more (interval {}, {p} after Holm)", gap(main, by), range(main, low, high))
            }
            Outcome::Worse => {
                format!("{} less (interval {}, {p} after Holm)", gap(main, -by), range(main, -high, -low))
            }
            Outcome::Open => format!(
                "no difference is shown ({}, interval {}, {p} after Holm)",
                gap(main, by),
                range(main, low, high)
            ),
        };
        let means = [first, second].map(|name| {
            let mean = reading.worth(name).map(|interval| worth(main, interval.estimate));
            format!("{name} {}", mean.unwrap_or_default())
        });
        let [first, second] = means;
        Some(Finding::of(outcome, format!("{}: {shown}; {first} against {second}.", capitalised(part))))
    };
    PARTS.iter().filter(|(_, _, second)| is_wanted(second)).filter_map(finding).collect()
}

fn costs(reading: &Reading<'_>) -> Vec<Finding> {
    let method = reading.cast.method.as_deref().and_then(|name| line(reading.summary, name));
    let Some(method) = method else { return Vec::new() };
    let (name, ours) = (method.contestant.as_str(), method.overall.milliseconds);
    let mut sentences = vec![format!(
        "A query of {name} takes {} ms (median) and {} forward passes of the network, a pass back counted as two.",
        milliseconds(ours),
        count(method.forward_passes)
    )];
    let others = std::iter::once("whitened").chain(CONTROLS).filter(|other| *other != name);
    for other in others.filter_map(|other| line(reading.summary, other)) {
        let theirs = other.overall.milliseconds;
        let mut ratios = Vec::new();
        if ours > 0.0 && theirs > 0.0 {
            ratios.push(format!("{} times the time", times(ours / theirs)));
        }
        if method.forward_passes > 0 && other.forward_passes > 0 {
            let passes = method.forward_passes as f64 / other.forward_passes as f64;
            ratios.push(format!("{} times the passes", times(passes)));
        }
        let ratios =
            if ratios.is_empty() { String::new() } else { format!(": {name} has {}", listed(&ratios)) };
        sentences.push(format!(
            "With {} it takes {} ms and {}{ratios}.",
            other.contestant,
            milliseconds(theirs),
            count(other.forward_passes)
        ));
    }
    vec![Finding::plain(sentences.join(" "))]
}

fn shortlists(reading: &Reading<'_>) -> Vec<Finding> {
    let Some(method) = reading.cast.method.as_deref() else { return Vec::new() };
    let Some(length) = reading.shortlist_length() else { return Vec::new() };
    let kept = REFERENCES.iter().filter_map(|metric| {
        let key = (method.to_owned(), (*metric).to_owned(), length);
        let kept = reading.summary.ceilings.get(&key)?;
        Some(format!("{} by {metric}", worth(Measure::Overlap, kept.overall)))
    });
    let kept: Vec<String> = kept.collect();
    if kept.is_empty() {
        return Vec::new();
    }
    vec![Finding::plain(format!(
        "Of the {} nearest that {method} finds in the whole collection, a shortlist of {} keeps {}. It cannot find \
         what its shortlist lacks.",
        reading.experiment.neighbours,
        count(length),
        listed(&kept)
    ))]
}

fn unanswered(reading: &Reading<'_>, missing: &[String]) -> Vec<Finding> {
    let method = reading.cast.method.as_deref();
    let mut all: Vec<Finding> = Vec::new();
    if method.is_none() {
        all.push(Finding::plain("What the method finds: no ranking of this run is the method.".to_owned()));
    }
    all.extend(missing.iter().map(|text| Finding::plain(format!("{}.", capitalised(text)))));
    let lacking = |(part, first, second): (&str, &str, &str)| {
        let pair = [first, second];
        let absent: Vec<&str> = pair.into_iter().filter(|name| !reading.has(name)).collect();
        let why =
            if absent.is_empty() { "no results".to_owned() } else { format!("no {}", absent.join(", no ")) };
        reading.contrast(first, second).is_none().then(|| format!("{part} ({why})"))
    };
    let parts: Vec<String> = PARTS.into_iter().filter_map(lacking).collect();
    if !parts.is_empty() {
        all.push(Finding::plain(format!("What is gained by {}.", parts.join("; "))));
    }
    all
}
