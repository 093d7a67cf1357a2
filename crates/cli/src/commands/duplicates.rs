//! `lookalike duplicates`: images that are nearly the same, by their feature rows.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Context;
use lookalike_engine::plugin_api::{Budget, ExemplarId};
use lookalike_engine::{Collection, DuplicateReport};
use serde::Serialize;

use crate::args::{DuplicatesArgs, GlobalArgs};
use crate::ending::Ending;
use crate::opened::Opened;
use crate::show::output::{Output, Report, Table, grouped, things, visible, wrapped};

/// Groups that are shown to people; JSON has all of them.
const GROUPS_SHOWN: usize = 10;

/// Keys of a group that are shown to people.
const MEMBERS_SHOWN: usize = 10;

pub(crate) fn run(args: &DuplicatesArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let (_opened, collection) = Opened::collection(&args.db, global)?;
    let report = collection.near_duplicates(args.threshold, args.most, &Budget::unlimited())?;
    let found = DuplicatesReport::of(&report, &collection, args.threshold)?;
    output.report(&found)?;
    Ok(if found.found == 0 { Ending::NothingFound } else { Ending::Done })
}

#[derive(Debug, Serialize)]
struct DuplicatesReport {
    collection: String,
    exemplars: u64,
    threshold: f32,
    /// Number of pairs; the most similar are listed.
    found: u64,
    pairs: Vec<PairReport>,
    /// Keys of the exemplars that pairs connect, the largest group first.
    groups: Vec<Vec<String>>,
}

#[derive(Debug, Serialize)]
struct PairReport {
    similarity: f32,
    same_bytes: bool,
    first: Named,
    second: Named,
}

#[derive(Debug, Clone, Serialize)]
struct Named {
    key: String,
    label: Option<String>,
}

impl DuplicatesReport {
    fn of(report: &DuplicateReport, collection: &Collection, threshold: f32) -> anyhow::Result<Self> {
        let mut known: BTreeMap<ExemplarId, Named> = BTreeMap::new();
        let mut named = |id: ExemplarId| -> anyhow::Result<Named> {
            if let Some(named) = known.get(&id) {
                return Ok(named.clone());
            }
            let record = collection.record(id)?.context("an exemplar was deleted meanwhile")?;
            let named = Named { key: record.key, label: record.label };
            known.insert(id, named.clone());
            Ok(named)
        };
        let mut pairs = Vec::with_capacity(report.pairs.len());
        for pair in &report.pairs {
            pairs.push(PairReport {
                similarity: pair.similarity,
                same_bytes: pair.same_content,
                first: named(pair.first)?,
                second: named(pair.second)?,
            });
        }
        let mut groups = Vec::with_capacity(report.groups.len());
        for group in &report.groups {
            let keys = group.iter().map(|&id| Ok(named(id)?.key));
            groups.push(keys.collect::<anyhow::Result<Vec<String>>>()?);
        }
        Ok(Self {
            collection: collection.name().to_owned(),
            exemplars: collection.len(),
            threshold,
            found: report.found,
            pairs,
            groups,
        })
    }
}

impl Report for DuplicatesReport {
    fn text(&self) -> String {
        let (exemplars, threshold) = (things(self.exemplars, "exemplar"), self.threshold);
        if self.found == 0 {
            return format!("no two of {exemplars} have a similarity of {threshold} or more\n");
        }
        let mut text = format!(
            "{} of similarity {threshold} or more among {exemplars}, in {}\n",
            things(self.found, "pair"),
            things(self.groups.len() as u64, "group")
        );
        let label = |named: &Named| named.label.clone().unwrap_or_else(|| "-".to_owned());
        let mut table = Table::new(&[">similarity", "bytes", "key", "label", "key", "label"]);
        for PairReport { similarity, same_bytes, first, second } in &self.pairs {
            let bytes = if *same_bytes { "same" } else { "differ" };
            table.row([
                format!("{similarity:.6}"),
                bytes.to_owned(),
                first.key.clone(),
                label(first),
                second.key.clone(),
                label(second),
            ]);
        }
        text.push_str(&table.text());
        let untold = self.found - self.pairs.len() as u64;
        if untold > 0 {
            // Writing to a string cannot fail.
            let _written = writeln!(text, "  and {} more; --most lists more of them", grouped(untold));
        }
        text.push_str("groups, the largest first:\n");
        for group in self.groups.iter().take(GROUPS_SHOWN) {
            let keys: Vec<String> = group.iter().take(MEMBERS_SHOWN).map(|key| visible(key)).collect();
            let more = if group.len() > MEMBERS_SHOWN { ", ..." } else { "" };
            text.push_str(&wrapped(&format!("{}: {}{more}", group.len(), keys.join(", "))));
        }
        if self.groups.len() > GROUPS_SHOWN {
            let more = (self.groups.len() - GROUPS_SHOWN) as u64;
            let _written = writeln!(text, "and {} more; --json lists them", grouped(more));
        }
        text
    }
}
