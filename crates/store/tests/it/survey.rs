//! Everything a collection answers, compared with what it should.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use lookalike_plugin_api::{ExemplarId, View};
use lookalike_store::{Collection, ReadError, TagValue, content_digest};

use crate::script::{Described, State, model_of};

#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Answers that are not what was stored.
    pub(crate) wrong: Vec<String>,
    /// Errors in place of answers.
    pub(crate) refused: Vec<String>,
    /// What verifying found.
    pub(crate) findings: Vec<String>,
}

impl Survey {
    pub(crate) fn of(things: &Collection, state: &State) -> Self {
        let mut survey = Self::default();
        survey.catalog(things, state);
        for (key, described) in &state.exemplars {
            survey.exemplar(things, key, described, state.current());
        }
        survey.whole(things, state);
        survey.rows(things, state);
        match things.verify(&mut |_| {}) {
            Ok(report) => {
                survey.findings.extend(report.findings.iter().map(ToString::to_string));
                if report.is_clean() {
                    survey.equal("verified exemplars", report.exemplars, state.exemplars.len() as u64);
                }
            }
            Err(error) => survey.findings.push(chain(&error)),
        }
        survey
    }

    /// Whether everything is there and whole.
    pub(crate) fn is_clean(&self) -> bool {
        self.wrong.is_empty() && self.refused.is_empty() && self.findings.is_empty()
    }

    /// Everything is there and whole.
    pub(crate) fn assert_clean(&self, state: &State) {
        assert!(self.is_clean(), "after batch {}: {self:#?}", state.batch);
    }

    /// What cannot be had is told, and nothing is wrong.
    pub(crate) fn assert_honest(&self, what: &str) {
        assert!(self.wrong.is_empty(), "{what}: {self:#?}");
        assert!(self.refused.is_empty() || !self.findings.is_empty(), "{what}: verify is silent: {self:#?}");
    }

    #[expect(clippy::needless_pass_by_value, reason = "what is compared is made for it")]
    fn equal<T: PartialEq>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            self.wrong.push(what.to_owned());
        }
    }

    fn answer<T: PartialEq>(&mut self, what: &str, found: Result<T, ReadError>, expected: T) {
        match found {
            Ok(found) => self.equal(what, found, expected),
            Err(error) => self.refused.push(format!("{what}: {}", chain(&error))),
        }
    }

    fn catalog(&mut self, things: &Collection, state: &State) {
        let catalog = things.catalog();
        self.equal("batch number", catalog.batch(), state.batch);
        self.equal("next id", catalog.next_id(), state.next_id);
        let live: BTreeSet<ExemplarId> = state.exemplars.values().map(|new| new.id).collect();
        self.equal("live ids", catalog.live().iter().collect(), live.clone());
        let models = catalog.models();
        self.equal("models", models.iter().map(|m| (m.number, m.role)).collect(), state.models.clone());
        for model in &models {
            self.equal("fingerprint of a model", model.fingerprint.clone(), model_of(model.number));
        }
        for (&model, there) in &state.rows {
            let missing = catalog.without_row(model, View::CLEAN);
            let missing: BTreeSet<ExemplarId> = missing.iter().collect();
            self.equal("exemplars without rows", missing, &live - there);
        }
        let mut labels: BTreeMap<&str, BTreeSet<ExemplarId>> = BTreeMap::new();
        let mut tags: BTreeMap<(&str, &TagValue), BTreeSet<ExemplarId>> = BTreeMap::new();
        for new in state.exemplars.values() {
            if let Some(label) = &new.label {
                labels.entry(label).or_default().insert(new.id);
            }
            for (name, value) in &new.tags {
                tags.entry((name, value)).or_default().insert(new.id);
            }
            let label = catalog.label_of(new.id).and_then(|label| catalog.label_name(label));
            self.equal("label of an exemplar", label, new.label.as_deref());
        }
        let in_use = catalog.labels().filter(|(_, _, members)| !members.is_empty());
        self.equal("labels", in_use.map(|(_, name, ids)| (name, ids.iter().collect())).collect(), labels);
        let names: Vec<&str> = catalog.tag_names().collect();
        let values =
            names.iter().flat_map(|&name| catalog.tag(name).into_iter().flatten().map(move |v| (name, v)));
        self.equal(
            "tags",
            values.map(|(name, (value, ids))| ((name, value), ids.iter().collect())).collect(),
            tags,
        );
    }

    fn exemplar(&mut self, things: &Collection, key: &str, new: &Described, model: u16) {
        self.answer(&format!("id of {key}"), things.id_of(key), Some(new.id));
        let image = new.image();
        let content = content_digest(&image);
        self.answer(&format!("ids of the content of {key}"), things.ids_of_content(&content), vec![new.id]);
        self.answer(&format!("image of {key}"), things.image(new.id), Some(image));
        let row = things.rows(View::CLEAN, &[new.id]).map(|rows| rows.row(0).to_vec());
        self.answer(&format!("row of {key}"), row, new.row(model));
        let record = things
            .record(new.id)
            .map(|record| record.map(|record| (record.key, record.label, record.tags, record.content)));
        let expected = Some((key.to_owned(), new.label.clone(), new.tags.clone(), content));
        self.answer(&format!("record of {key}"), record, expected);
    }

    fn whole(&mut self, things: &Collection, state: &State) {
        let listed = things.list(None, 1_000);
        let listed = listed.map(|page| page.entries.into_iter().map(|record| record.key).collect());
        self.answer("listed keys", listed, state.exemplars.keys().cloned().collect::<Vec<_>>());
        self.answer("an absent key", things.id_of("nobody"), None);
        let bytes: usize = state.exemplars.values().map(|new| new.image().len()).sum();
        self.answer("image bytes", things.stats().map(|stats| stats.image_bytes), bytes as u64);
    }

    fn rows(&mut self, things: &Collection, state: &State) {
        let expected: BTreeMap<ExemplarId, Vec<f32>> =
            state.exemplars.values().map(|new| (new.id, new.row(state.current()))).collect();
        let mut scanned = BTreeMap::new();
        let outcome = things.scan_rows(View::CLEAN, 0.., &mut |id, values| {
            scanned.insert(id, values.to_vec());
            ControlFlow::Continue(())
        });
        // Rows that came before an error are right too.
        if scanned.iter().any(|(id, row)| expected.get(id) != Some(row)) {
            self.wrong.push("scanned rows".to_owned());
        }
        self.answer("scanned rows", outcome.map(|()| scanned), expected.clone());
        let catalog = things.catalog();
        let loaded = things.load_segments(&catalog, View::CLEAN).map(|segments| {
            let rows = segments.iter().flat_map(|segment| {
                segment.ids().iter().copied().zip(segment.values().chunks_exact(segment.dimension()))
            });
            rows.filter(|(id, _)| catalog.live().contains(*id)).map(|(id, row)| (id, row.to_vec())).collect()
        });
        self.answer("loaded rows", loaded, expected);
    }
}

/// An error and its causes on one line, as the command line prints it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        line = format!("{line}: {deeper}");
        cause = deeper.source();
    }
    line
}
