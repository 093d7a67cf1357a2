//! The tables of the report.

use super::cast::description;
use super::document::word;
use super::reading::Reading;
use super::table::{Cell, Column, Table};
use super::words::{
    capitalised, count, fixed, milliseconds, p_value, signed_with_interval, with_interval, worth,
};
use crate::experiment::Experiment;
use crate::subject::SubjectRecord;
use crate::summary::{Contrast, Line, Measure, REFERENCES, Standing};

/// What was asked, of what.
pub(super) fn setting(experiment: &Experiment, subject: &SubjectRecord) -> Table {
    let protocols: Vec<String> = experiment.protocols.iter().map(ToString::to_string).collect();
    let mut rows = vec![
        ("data set", subject.name.clone()),
        ("exemplars", count(subject.exemplars)),
        ("of them mixed in from elsewhere", count(subject.outliers)),
        ("model and digest of its weights", subject.model.clone()),
        ("digest of images and labels", subject.images.clone()),
        ("protocols", protocols.join(", ")),
        ("queries of each protocol", count(experiment.queries)),
        ("conditions", experiment.conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        ("seed", experiment.seed.to_string()),
        ("seeds of triggers and fine-tuning", count(experiment.trigger_seeds)),
        ("neighbours that precision and overlap look at (k)", count(experiment.neighbours)),
    ];
    if subject.outliers == 0 {
        rows.remove(2);
    }
    Table {
        caption: "What was asked".to_owned(),
        columns: vec![Column::text("setting"), Column::text("value")],
        rows: rows.into_iter().map(|(name, value)| vec![Cell::new(name), Cell::new(value)]).collect(),
    }
}

/// What each ranking does.
pub(super) fn rankings(experiment: &Experiment) -> Table {
    let row = |known: &crate::Contestant| vec![Cell::new(&known.name), Cell::new(description(&known.way))];
    Table {
        caption: "The rankings".to_owned(),
        columns: vec![Column::text("ranking"), Column::text("what it does")],
        rows: experiment.contestants.iter().map(row).collect(),
    }
}

/// A measure's short name with the number of neighbours in it.
fn heading(measure: Measure, experiment: &Experiment) -> String {
    let name = match measure {
        Measure::Overlap => "overlap@k with the clean list",
        Measure::RankBiasedOverlap => "RBO with the clean list",
        Measure::Retrieved | Measure::Precision | Measure::AveragePrecision => measure.name(),
    };
    name.replace("@k", &format!("@{}", experiment.neighbours))
}

/// Each ranking over all conditions.
pub(super) fn overall(reading: &Reading<'_>) -> Table {
    let main = reading.main;
    let others: Vec<Measure> = Measure::ALL.into_iter().filter(|measure| *measure != main).collect();
    let mut columns = vec![
        Column::text("ranking"),
        Column::number(format!("{} (95 % interval)", main.name())),
        Column::number("median rank"),
    ];
    columns.extend(others.iter().map(|measure| Column::number(heading(*measure, reading.experiment))));
    let k = reading.experiment.neighbours;
    columns.extend([
        Column::number(format!("precision@{k}, classified rightly")),
        Column::number(format!("precision@{k}, wrongly")),
        Column::number("latent distance"),
        Column::number("mixed in"),
        Column::number("ms per query"),
        Column::number("forward passes"),
    ]);
    let has_mixed_in = reading.summary.lines.iter().any(|line| line.overall.outliers > 0.0);
    let row = |(rank, line): (usize, &Line)| {
        let Standing { measures, median_rank, precision_right_wrong, latent, outliers, milliseconds: ms } =
            &line.overall;
        let estimate =
            |measure: &Measure| measures.get(measure).map(|interval| worth(*measure, interval.estimate));
        let share = |value: Option<f64>| Cell::maybe(value.map(|value| worth(Measure::Precision, value)));
        let mut cells = vec![
            Cell { is_strong: is_method(reading, line), ..Cell::new(&line.contestant) },
            Cell {
                is_strong: rank == 0,
                ..Cell::maybe(measures.get(&main).map(|interval| with_interval(main, *interval)))
            },
            Cell::maybe(median_rank.map(|rank| fixed(rank, usize::from(rank.fract() != 0.0)))),
        ];
        cells.extend(others.iter().map(|measure| Cell::maybe(estimate(measure))));
        cells.extend(precision_right_wrong.map(share));
        cells.extend([
            Cell::maybe(latent.map(|distance| fixed(distance, 3))),
            share(has_mixed_in.then_some(*outliers)),
            Cell::new(milliseconds(*ms)),
            Cell::new(count(line.forward_passes)),
        ]);
        cells
    };
    Table {
        caption: "Over all conditions".to_owned(),
        columns,
        rows: reading.summary.lines.iter().enumerate().map(row).collect(),
    }
    .without_empty_columns()
}

fn is_method(reading: &Reading<'_>, line: &Line) -> bool {
    reading.cast.method.as_deref() == Some(line.contestant.as_str())
}

/// The main measure of each ranking under each condition; the longer of the two goes down.
pub(super) fn by_condition(reading: &Reading<'_>) -> Table {
    let (main, lines) = (reading.main, &reading.summary.lines);
    let conditions: Vec<String> = reading.experiment.conditions.iter().map(ToString::to_string).collect();
    let value = |line: &Line, at: usize| {
        line.conditions.get(at).and_then(|standing| standing.measures.get(&main)).map(|i| i.estimate)
    };
    // The highest, where not all are as high.
    let best = |at: usize| {
        let found = || lines.iter().filter_map(|line| value(line, at));
        let (low, high) = (found().fold(f64::INFINITY, f64::min), found().fold(f64::NEG_INFINITY, f64::max));
        (low < high).then_some(high)
    };
    let best: Vec<Option<f64>> = (0..conditions.len()).map(best).collect();
    let cell = |line: &Line, at: usize| {
        let found = value(line, at);
        Cell {
            tint: found.map(|share| share.clamp(0.0, 1.0)),
            is_strong: found.is_some() && found == best[at],
            ..Cell::maybe(found.map(|found| worth(main, found).replace(" %", "")))
        }
    };
    let all = 0..conditions.len();
    let names = lines.iter().map(|line| (is_method(reading, line), line.contestant.as_str()));
    let (head, rows) = if conditions.len() > lines.len() {
        let row = |at: usize| {
            let cells = lines.iter().map(|line| cell(line, at));
            std::iter::once(Cell::new(&conditions[at])).chain(cells).collect()
        };
        (names.map(|(_, name)| name.to_owned()).collect(), all.map(row).collect())
    } else {
        let row = |(line, (is_strong, name)): (&Line, (bool, &str))| {
            let cells = all.clone().map(|at| cell(line, at));
            std::iter::once(Cell { is_strong, ..Cell::new(name) }).chain(cells).collect()
        };
        (conditions.clone(), lines.iter().zip(names).map(row).collect::<Vec<Vec<Cell>>>())
    };
    let head: Vec<String> = head;
    let unit = if worth(main, 0.0).ends_with('%') { ", in %" } else { "" };
    let first = if conditions.len() > lines.len() { "condition" } else { "ranking" };
    Table {
        caption: format!("{}{unit}, by condition", capitalised(main.name())),
        columns: std::iter::once(Column::text(first)).chain(head.into_iter().map(Column::number)).collect(),
        rows,
    }
}

/// The method against the references by kind of disturbance.
pub(super) fn by_family(reading: &Reading<'_>) -> Option<Table> {
    let method = reading.cast.method.as_deref()?;
    let mut families: Vec<&str> = Vec::new();
    for known in &reading.by_family {
        if !families.contains(&known.family.as_str()) {
            families.push(&known.family);
        }
    }
    let row = |family: &str| {
        let cell = |reference: &str| {
            let mut known = reading.by_family.iter().filter(|known| known.family == family);
            let found = known.find(|known| known.contrast.second == reference).map(|known| &known.contrast);
            Cell::maybe(found.map(|contrast| {
                let difference = signed_with_interval(reading.main, contrast.difference.interval);
                format!("{difference} {}", word(contrast.outcome()))
            }))
        };
        std::iter::once(Cell::new(family)).chain(REFERENCES.into_iter().map(cell)).collect()
    };
    let columns = REFERENCES.iter().map(|name| Column::number(format!("against {name}")));
    let table = Table {
        caption: format!("{method} by kind of disturbance: difference and its interval"),
        columns: std::iter::once(Column::text("disturbance")).chain(columns).collect(),
        rows: families.into_iter().map(row).collect(),
    };
    Some(table.without_empty_columns()).filter(|table| !table.rows.is_empty())
}

/// Paired differences.
pub(super) fn contrasts(caption: &str, reading: &Reading<'_>, contrasts: &[Contrast]) -> Option<Table> {
    let row = |contrast: &Contrast| {
        vec![
            Cell::new(&contrast.first),
            Cell::new(&contrast.second),
            Cell::new(signed_with_interval(reading.main, contrast.difference.interval)),
            Cell::new(p_value(contrast.difference.p_value)),
            Cell::new(p_value(contrast.adjusted)),
            Cell::new(word(contrast.outcome())),
        ]
    };
    let table = Table {
        caption: caption.to_owned(),
        columns: vec![
            Column::text("first"),
            Column::text("second"),
            Column::number("first minus second (95 % interval)"),
            Column::number("p"),
            Column::number("p after Holm"),
            Column::text("the first is"),
        ],
        rows: contrasts.iter().map(row).collect(),
    };
    Some(table).filter(|table| !table.rows.is_empty())
}

/// What shortlists keep of full rankings.
pub(super) fn ceilings(reading: &Reading<'_>) -> Option<Table> {
    let known = &reading.summary.ceilings;
    let mut lengths: Vec<usize> = known.keys().map(|(_, _, length)| *length).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let mut pairs: Vec<(&str, &str)> =
        known.keys().map(|(full, metric, _)| (full.as_str(), metric.as_str())).collect();
    pairs.dedup();
    let row = |(full, metric): (&str, &str)| {
        let kept = |length: &usize| {
            known.get(&(full.to_owned(), metric.to_owned(), *length)).map(|kept| kept.overall)
        };
        let cell = |length: &usize| Cell {
            tint: kept(length),
            ..Cell::maybe(kept(length).map(|kept| worth(Measure::Overlap, kept)))
        };
        [Cell::new(full), Cell::new(metric)].into_iter().chain(lengths.iter().map(cell)).collect()
    };
    let columns = lengths.iter().map(|length| Column::number(format!("length {}", count(*length))));
    let k = reading.experiment.neighbours;
    let table = Table {
        caption: format!("Share of a full ranking's {k} nearest that a shortlist keeps"),
        columns: [Column::text("full ranking"), Column::text("shortlist by")]
            .into_iter()
            .chain(columns)
            .collect(),
        rows: pairs.into_iter().map(row).collect(),
    };
    Some(table).filter(|table| !table.rows.is_empty())
}

/// What shortlists of one length keep of the method's ranking, by kind of disturbance.
pub(super) fn ceilings_by_family(reading: &Reading<'_>) -> Option<Table> {
    let method = reading.cast.method.as_deref()?;
    let length = reading.shortlist_length()?;
    let row = |(family, conditions): &(String, Vec<usize>)| {
        let cell = |metric: &str| {
            let kept = reading.summary.ceilings.get(&(method.to_owned(), metric.to_owned(), length));
            let known: Vec<f64> = kept
                .into_iter()
                .flat_map(|kept| conditions.iter().filter_map(|at| kept.conditions[*at]))
                .collect();
            let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
            Cell { tint: mean, ..Cell::maybe(mean.map(|mean| worth(Measure::Overlap, mean))) }
        };
        std::iter::once(Cell::new(family)).chain(REFERENCES.into_iter().map(cell)).collect()
    };
    let columns = REFERENCES.iter().map(|name| Column::number(format!("by {name}")));
    let k = reading.experiment.neighbours;
    let table = Table {
        caption: format!(
            "Share of the {k} nearest of {method} that a shortlist of {} keeps, by kind of disturbance",
            count(length)
        ),
        columns: std::iter::once(Column::text("disturbance")).chain(columns).collect(),
        rows: reading.kinds().iter().map(row).collect(),
    };
    Some(table.without_empty_columns())
}
