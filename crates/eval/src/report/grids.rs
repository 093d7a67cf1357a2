//! Queries with their neighbours, as in the paper's figure 4.

use super::document::Figure;
use super::reading::Reading;
use super::words::fixed;
use crate::condition::Condition;
use crate::error::EvalError;
use crate::grid::{GridCell, GridRow, ImageGrid, Mark};
use crate::record::Record;
use crate::run::RunFolder;
use crate::subject::{AskedFor, Subject};

/// Queries shown under each condition.
const QUERIES: usize = 4;
/// Neighbours of each.
const NEIGHBOURS: usize = 8;

/// A grid for each of two conditions.
pub(super) fn figures(
    folder: &RunFolder,
    reading: &Reading<'_>,
    subject: &Subject,
) -> Result<Vec<Figure>, EvalError> {
    let mut figures = Vec::new();
    for condition in conditions(reading) {
        let records = folder.records(reading.summary.protocol, condition)?.unwrap_or_default();
        let grid = Grid { reading, subject, condition, records: &records }.grid();
        if grid.rows.is_empty() {
            continue;
        }
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = condition.to_string().chars().map(safe).collect();
        figures.push(Figure {
            file: format!("grids/{}-{name}.svg", reading.prefix()),
            caption: format!(
                "The first queries under {condition}, not chosen by how they came out: each as it was asked, then the \
                 nearest exemplars with their scores."
            ),
            svg: grid.to_svg()?,
            is_photographic: true,
        });
    }
    Ok(figures)
}

/// The condition in the middle of each of the first two kinds of disturbance, or two of the only one. An attack needs
/// the model to be made again.
fn conditions<'a>(reading: &Reading<'a>) -> Vec<&'a Condition> {
    let conditions = &reading.experiment.conditions;
    let can_be_made = |at: &usize| !matches!(conditions[*at], Condition::Attacked(..));
    let families: Vec<Vec<usize>> = reading
        .families
        .iter()
        .map(|family| family.conditions().into_iter().filter(can_be_made).collect::<Vec<_>>())
        .filter(|places| !places.is_empty())
        .collect();
    let chosen: Vec<usize> = match families.as_slice() {
        [] => (0..conditions.len()).filter(can_be_made).take(1).collect(),
        [only] => {
            let last = only.len() - 1;
            if last == 0 { vec![only[0]] } else { vec![only[last / 2], only[last]] }
        }
        [first, second, ..] => vec![first[first.len() / 2], second[second.len() / 2]],
    };
    chosen.into_iter().map(|at| &conditions[at]).collect()
}

struct Grid<'a> {
    reading: &'a Reading<'a>,
    subject: &'a Subject,
    condition: &'a Condition,
    records: &'a [Record],
}

impl Grid<'_> {
    fn grid(&self) -> ImageGrid {
        let method = self.reading.cast.method.as_deref();
        let mut rankings: Vec<&str> = Vec::new();
        for name in ["l2", "whitened", "views-copies"].into_iter().chain(method) {
            if !rankings.contains(&name) && self.reading.has(name) {
                rankings.push(name);
            }
        }
        let queries = self.subject.queries(self.reading.summary.protocol).iter().enumerate().take(QUERIES);
        let rows = queries.flat_map(|(number, asked)| {
            rankings.iter().filter_map(move |name| self.row(number, asked, name)).collect::<Vec<_>>()
        });
        let columns = std::iter::once("query".to_owned()).chain((1..=NEIGHBOURS).map(|at| at.to_string()));
        ImageGrid {
            title: format!(
                "{}, {} under {}",
                self.subject.name, self.reading.summary.protocol, self.condition
            ),
            columns: columns.collect(),
            rows: rows.collect(),
        }
    }

    fn row(&self, number: usize, asked: &AskedFor, ranking: &str) -> Option<GridRow> {
        let is_it = |r: &&Record| r.contestant == ranking && r.query == number && r.seed == 0;
        let record = self.records.iter().find(is_it)?;
        let image = self.condition.apply(&asked.known.image, self.reading.experiment.seed, number as u64);
        let caption = asked.known.label.clone().unwrap_or_default();
        let mut cells = vec![GridCell { image, caption, mark: Mark::Query }];
        for (id, score) in record.neighbours().into_iter().take(NEIGHBOURS) {
            let place = id as usize;
            let Some(known) = self.subject.exemplars.get(place) else { continue };
            let mark = match (&known.label, &asked.known.label) {
                _ if asked.original == Some(place) => Mark::Original,
                (Some(label), Some(wanted)) if label == wanted => Mark::Right,
                (_, Some(_)) => Mark::Wrong,
                (_, None) => Mark::Plain,
            };
            let caption =
                format!("{} {}", known.label.as_deref().unwrap_or_default(), fixed(f64::from(score), 3));
            cells.push(GridCell { image: known.image.clone(), caption, mark });
        }
        let place = record.rank.map(|rank| format!(" original at {rank}")).unwrap_or_default();
        Some(GridRow { name: format!("{ranking}{place}"), cells })
    }
}
