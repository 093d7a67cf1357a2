//! The plots of the report.

use super::cast::Cast;
use super::document::Figure;
use super::family::Family;
use super::reading::Reading;
use super::words::{capitalised, plotted_gap};
use crate::condition::Condition;
use crate::corruption::Severity;
use crate::error::EvalError;
use crate::plot::{
    Bar, BarPlot, BarSeries, LinePlot, LinePoint, LineSeries, PlotError, Scale, Scatter, ScatterPoint,
};
use crate::statistics::Interval;
use crate::summary::{Contrast, Measure, REFERENCES};

/// Most bars' groups and labelled points of a plot that can be read.
const MOST_SHOWN: usize = 60;

/// All plots of a protocol.
pub(super) fn figures(reading: &Reading<'_>, data_set: &str) -> Result<Vec<Figure>, EvalError> {
    let mut figures = Vec::new();
    let plots = Plots { reading, data_set };
    let curved = |family: &&Family| family.corruption.is_none() && family.places.len() > 1;
    for family in reading.families.iter().filter(curved) {
        figures.extend(plots.over_strength(family)?);
    }
    figures.extend(plots.single_strengths()?);
    figures.extend(plots.over_severity()?);
    figures.extend(plots.by_corruption()?);
    figures.extend(plots.by_family()?);
    figures.extend(plots.changes()?);
    figures.extend(plots.cost()?);
    figures.extend(plots.ceilings()?);
    Ok(figures)
}

struct Plots<'a> {
    reading: &'a Reading<'a>,
    data_set: &'a str,
}

impl Plots<'_> {
    fn figure(
        &self,
        name: &str,
        caption: String,
        svg: Result<String, PlotError>,
    ) -> Result<Figure, EvalError> {
        let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = name.chars().map(safe).collect();
        let file = format!("plots/{}-{name}.svg", self.reading.prefix());
        Ok(Figure { file, caption, svg: svg?, is_photographic: false })
    }

    fn y_label(&self) -> String {
        match self.reading.main {
            Measure::Retrieved => "share of queries whose original comes first".to_owned(),
            measure @ (Measure::Precision
            | Measure::AveragePrecision
            | Measure::Overlap
            | Measure::RankBiasedOverlap) => measure.name().to_owned(),
        }
    }

    /// Retrieval is shown from 0 to 1, so that plots can be compared.
    fn y_range(&self) -> Option<(f64, f64)> {
        (self.reading.main == Measure::Retrieved).then_some((0.0, 1.0))
    }

    fn title(&self, rest: &str) -> String {
        format!("{}, {}: {rest}", self.data_set, self.reading.summary.protocol)
    }

    fn clean(&self) -> Option<usize> {
        self.reading.experiment.conditions.iter().position(|condition| *condition == Condition::Clean)
    }

    fn mean(&self, name: &str, conditions: &[usize]) -> Result<Option<Interval>, EvalError> {
        self.reading.found.mean(name, conditions, self.reading.main)
    }

    /// A curve for each ranking through groups of conditions, each at its place.
    fn line_plot(
        &self,
        title: &str,
        axis: &str,
        groups: &[(f64, Vec<usize>)],
    ) -> Result<Option<LinePlot>, EvalError> {
        let mut series = Vec::new();
        for name in &self.reading.cast.curves {
            let mut points = Vec::new();
            for (x, conditions) in groups {
                if let Some(Interval { estimate, low, high }) = self.mean(name, conditions)? {
                    points.push(LinePoint { x: *x, y: estimate, band: Some((low, high)) });
                }
            }
            if !points.is_empty() {
                series.push(LineSeries { name: name.clone(), points });
            }
        }
        Ok((!series.is_empty()).then(|| LinePlot {
            title: self.title(title),
            x_label: axis.to_owned(),
            y_label: self.y_label(),
            x_scale: Scale::Linear,
            y_range: self.y_range(),
            series,
        }))
    }

    fn over_strength(&self, family: &Family) -> Result<Option<Figure>, EvalError> {
        let clean = self.clean().map(|at| (family.clean, vec![at]));
        let mut groups: Vec<(f64, Vec<usize>)> =
            family.places.iter().map(|(place, at)| (*place, vec![*at])).chain(clean).collect();
        groups.sort_by(|a, b| a.0.total_cmp(&b.0));
        let caption = format!(
            "{} over {}. Bands are 95 % intervals.",
            capitalised(self.reading.main.name()),
            family.axis
        );
        self.line_plot(&family.name, &family.axis, &groups)?
            .map(|plot| self.figure(&family.name, caption, plot.to_svg()))
            .transpose()
    }

    /// Bars for what has one strength only.
    fn single_strengths(&self) -> Result<Option<Figure>, EvalError> {
        let is_single = |family: &&Family| family.corruption.is_none() && family.places.len() == 1;
        let singles: Vec<usize> =
            self.reading.families.iter().filter(is_single).flat_map(Family::conditions).collect();
        let name = |at: usize| self.reading.experiment.conditions[at].to_string();
        let groups: Vec<(String, Vec<usize>)> = singles.into_iter().map(|at| (name(at), vec![at])).collect();
        let curves: Vec<&str> = self.reading.cast.curves.iter().map(String::as_str).collect();
        let caption = format!(
            "{} under disturbances of one strength. Lines on the bars are 95 % intervals.",
            capitalised(self.reading.main.name())
        );
        self.bars("other-disturbances", "other disturbances", caption, &groups, &curves)
    }

    /// The kinds of corruption that have all severities that any has, and these severities.
    fn corruptions(&self) -> (Vec<&Family>, Vec<Severity>) {
        let kinds: Vec<&Family> =
            self.reading.families.iter().filter(|family| family.corruption.is_some()).collect();
        let has = |family: &Family, severity: Severity| !self.at(family, severity).is_empty();
        let severities: Vec<Severity> = Severity::ALL
            .into_iter()
            .filter(|severity| kinds.iter().any(|family| has(family, *severity)))
            .collect();
        let complete = |family: &&Family| severities.iter().all(|severity| has(family, *severity));
        (kinds.into_iter().filter(complete).collect(), severities)
    }

    /// The conditions of a kind of corruption with a severity.
    fn at(&self, family: &Family, severity: Severity) -> Vec<usize> {
        let conditions = &self.reading.experiment.conditions;
        let is_it =
            |at: &usize| matches!(conditions[*at], Condition::Corrupted(_, known) if known == severity);
        family.conditions().into_iter().filter(is_it).collect()
    }

    fn over_severity(&self) -> Result<Option<Figure>, EvalError> {
        let (kinds, severities) = self.corruptions();
        if kinds.is_empty() || severities.len() < 2 {
            return Ok(None);
        }
        let of_all = |severity: &Severity| {
            let conditions = kinds.iter().flat_map(|family| self.at(family, *severity)).collect();
            (f64::from(severity.get()), conditions)
        };
        let clean = self.clean().map(|at| (0.0, vec![at]));
        let groups: Vec<(f64, Vec<usize>)> = clean.into_iter().chain(severities.iter().map(of_all)).collect();
        let what = format!("common corruptions, mean of {}", kinds.len());
        let caption = format!(
            "{} over the severity of the common corruptions, mean of {} kinds. Bands are 95 % intervals.",
            capitalised(self.reading.main.name()),
            kinds.len()
        );
        self.line_plot(&what, "severity (0 is the clean query)", &groups)?
            .map(|plot| self.figure("corruptions", caption, plot.to_svg()))
            .transpose()
    }

    fn by_corruption(&self) -> Result<Option<Figure>, EvalError> {
        let kinds = self.reading.families.iter().filter_map(|family| Some((family.corruption?, family)));
        let groups: Vec<(String, Vec<usize>)> =
            kinds.map(|(kind, family)| (kind.to_string(), family.conditions())).collect();
        let caption = format!(
            "{} under each common corruption, mean over severities. Lines on the bars are 95 % intervals.",
            capitalised(self.reading.main.name())
        );
        self.bars("corruption-kinds", "kinds of corruption", caption, &groups, &self.reading.cast.few())
    }

    fn bars(
        &self,
        name: &str,
        title: &str,
        caption: String,
        groups: &[(String, Vec<usize>)],
        rankings: &[&str],
    ) -> Result<Option<Figure>, EvalError> {
        let groups = &groups[..groups.len().min(MOST_SHOWN)];
        let mut series = Vec::new();
        for ranking in rankings {
            let mut bars = Vec::with_capacity(groups.len());
            for (_, conditions) in groups {
                bars.extend(self.mean(ranking, conditions)?.map(bar));
            }
            // A ranking without a result somewhere has no place among whole rows of bars.
            if bars.len() == groups.len() {
                series.push(BarSeries { name: (*ranking).to_owned(), bars });
            }
        }
        if groups.is_empty() || series.is_empty() {
            return Ok(None);
        }
        let plot = BarPlot {
            title: self.title(title),
            x_label: self.y_label(),
            groups: groups.iter().map(|(name, _)| name.clone()).collect(),
            series,
        };
        self.figure(name, caption, plot.to_svg()).map(Some)
    }

    /// The method against the references by kind of disturbance.
    fn by_family(&self) -> Result<Option<Figure>, EvalError> {
        let Some(method) = self.reading.cast.method.as_deref() else { return Ok(None) };
        let known = &self.reading.by_family;
        let (factor, unit) = plotted_gap(self.reading.main);
        let mut groups: Vec<String> = Vec::new();
        for family in known.iter().map(|known| &known.family).take(MOST_SHOWN * REFERENCES.len()) {
            if !groups.contains(family) && groups.len() < MOST_SHOWN {
                groups.push(family.clone());
            }
        }
        let series: Vec<BarSeries> = REFERENCES
            .iter()
            .map(|reference| {
                let of_reference = known.iter().filter(|known| known.contrast.second == *reference);
                let shown = of_reference.filter(|known| groups.contains(&known.family));
                let bars =
                    shown.map(|known| bar(scaled(known.contrast.difference.interval, factor))).collect();
                BarSeries { name: format!("against {reference}"), bars }
            })
            .filter(|series| series.bars.len() == groups.len())
            .collect();
        if groups.is_empty() || series.is_empty() {
            return Ok(None);
        }
        let plot = BarPlot {
            title: self.title(&format!("what {method} gains")),
            x_label: format!("difference in {}{unit}", self.reading.main.name()),
            groups,
            series,
        };
        let caption = format!(
            "{method} against the references by kind of disturbance: right of zero it is better. Lines are 95 % intervals."
        );
        self.figure("gains", caption, plot.to_svg()).map(Some)
    }

    /// What changed settings do.
    fn changes(&self) -> Result<Vec<Figure>, EvalError> {
        let mut bases: Vec<&str> = Vec::new();
        for contrast in &self.reading.variants {
            if !bases.contains(&contrast.second.as_str()) {
                bases.push(&contrast.second);
            }
        }
        let (factor, unit) = plotted_gap(self.reading.main);
        let mut figures = Vec::new();
        for base in bases {
            let changed: Vec<&Contrast> =
                self.reading.variants.iter().filter(|known| known.second == base).take(MOST_SHOWN).collect();
            // One alone is a sentence.
            if changed.len() < 2 {
                continue;
            }
            let plot = BarPlot {
                title: self.title(&format!("{base} with one thing changed")),
                x_label: format!("difference in {} from {base}{unit}", self.reading.main.name()),
                groups: changed.iter().map(|contrast| contrast.first.clone()).collect(),
                series: vec![BarSeries {
                    name: format!("minus {base}"),
                    bars: changed
                        .iter()
                        .map(|contrast| bar(scaled(contrast.difference.interval, factor)))
                        .collect(),
                }],
            };
            let caption = format!(
                "Changed forms of {base}: left of zero the change does harm. Lines are 95 % intervals of the paired \
                 difference."
            );
            figures.push(self.figure(&format!("changes-{base}"), caption, plot.to_svg())?);
        }
        Ok(figures)
    }

    /// Quality over cost.
    fn cost(&self) -> Result<Option<Figure>, EvalError> {
        let Reading { experiment, summary, main, cast, .. } = self.reading;
        let point = |line: &crate::Line| {
            let Interval { estimate, low, high } = *line.overall.measures.get(main)?;
            Some(ScatterPoint {
                label: line.contestant.clone(),
                kind: cast.kind(experiment, &line.contestant),
                // A query timed at nothing took less than a microsecond.
                x: line.overall.milliseconds.max(1e-3),
                y: estimate,
                interval: Some((low, high)),
            })
        };
        let points: Vec<ScatterPoint> = summary.lines.iter().filter_map(point).take(MOST_SHOWN).collect();
        if points.is_empty() {
            return Ok(None);
        }
        let plot = Scatter {
            title: self.title("quality and cost"),
            x_label: "median time of a query, milliseconds".to_owned(),
            y_label: format!("mean {}", main.name()),
            x_scale: Scale::Logarithmic,
            kinds: Cast::kinds().map(str::to_owned).to_vec(),
            points,
        };
        let caption =
            "Mean over all conditions and the time of a query: better upwards, cheaper to the left. Lines are 95 % intervals."
                .to_owned();
        self.figure("cost", caption, plot.to_svg()).map(Some)
    }

    /// What shortlists keep of the method's ranking.
    fn ceilings(&self) -> Result<Option<Figure>, EvalError> {
        let Some(method) = self.reading.cast.method.as_deref() else { return Ok(None) };
        let known = self.reading.summary.ceilings.iter().filter(|((full, ..), _)| full == method);
        let mut series: Vec<LineSeries> = Vec::new();
        for ((_, metric, length), kept) in known.filter(|((_, _, length), _)| *length > 0) {
            let point = LinePoint { x: *length as f64, y: kept.overall, band: None };
            match series.iter_mut().find(|series| series.name == *metric) {
                Some(series) => series.points.push(point),
                None => series.push(LineSeries { name: metric.clone(), points: vec![point] }),
            }
        }
        // In the order, and so the colours, in which the method is held against them.
        let place = |series: &LineSeries| REFERENCES.iter().position(|name| *name == series.name);
        series.sort_by_key(|series| place(series).unwrap_or(REFERENCES.len()));
        series.truncate(crate::MOST_SERIES);
        if series.is_empty() {
            return Ok(None);
        }
        let k = self.reading.experiment.neighbours;
        let plot = LinePlot {
            title: self.title(&format!("what a shortlist keeps of {method}")),
            x_label: "length of the shortlist".to_owned(),
            y_label: format!("share of the {k} nearest kept"),
            x_scale: Scale::Logarithmic,
            y_range: Some((0.0, 1.0)),
            series,
        };
        let caption = format!(
            "Share of the {k} nearest by {method} that are in a shortlist made by another metric, mean over all conditions."
        );
        self.figure("shortlists", caption, plot.to_svg()).map(Some)
    }
}

fn scaled(Interval { estimate, low, high }: Interval, factor: f64) -> Interval {
    Interval { estimate: factor * estimate, low: factor * low, high: factor * high }
}

fn bar(Interval { estimate, low, high }: Interval) -> Bar {
    Bar { value: estimate, interval: Some((low, high)) }
}
