//! `lookalike get`: one exemplar.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use lookalike_engine::Record;
use serde::Serialize;

use crate::args::{GetArgs, GlobalArgs};
use crate::ending::Ending;
use crate::opened::Opened;
use crate::show::output::{Output, Report, bytes, visible};
use crate::show::tags::tags;

pub(crate) fn run(args: &GetArgs, global: &GlobalArgs, output: Output) -> anyhow::Result<Ending> {
    let (_opened, collection) = Opened::collection(&args.db, global)?;
    let Some(record) = collection.get(&args.key)? else {
        output.report(&GetReport { key: args.key.clone(), exemplar: None, written_to: None })?;
        return Ok(Ending::NothingFound);
    };
    if let Some(out) = &args.out {
        let image = collection.image(record.id)?.context("the exemplar was deleted meanwhile")?;
        fs::write(out, image).with_context(|| format!("{} cannot be written", out.display()))?;
    }
    output.report(&GetReport {
        key: args.key.clone(),
        exemplar: Some(Exemplar::of(record)),
        written_to: args.out.as_deref().map(Path::display).map(|path| path.to_string()),
    })?;
    Ok(Ending::Done)
}

#[derive(Debug, Serialize)]
struct GetReport {
    key: String,
    exemplar: Option<Exemplar>,
    written_to: Option<String>,
}

#[derive(Debug, Serialize)]
struct Exemplar {
    id: u32,
    label: Option<String>,
    tags: BTreeMap<String, serde_json::Value>,
    media_type: String,
    height: u32,
    width: u32,
    channels: u8,
    image_bytes: u32,
    /// BLAKE3 of the encoded image.
    content: String,
    created_ms: u64,
    updated_ms: u64,
}

impl Exemplar {
    fn of(record: Record) -> Self {
        Self {
            id: record.id,
            label: record.label,
            tags: tags(&record.tags),
            media_type: record.media_type,
            height: record.height,
            width: record.width,
            channels: record.channels,
            image_bytes: record.image_bytes,
            content: record.content.to_string(),
            created_ms: record.created_ms,
            updated_ms: record.updated_ms,
        }
    }
}

impl Report for GetReport {
    fn text(&self) -> String {
        let Some(exemplar) = &self.exemplar else {
            return format!("there is no exemplar \"{}\"\n", visible(&self.key));
        };
        let image = format!(
            "{} x {} pixels, {} channels, {}, {}",
            exemplar.width,
            exemplar.height,
            exemplar.channels,
            exemplar.media_type,
            bytes(u64::from(exemplar.image_bytes))
        );
        let mut facts = vec![
            ("key".to_owned(), self.key.clone()),
            ("id".to_owned(), exemplar.id.to_string()),
            ("label".to_owned(), exemplar.label.clone().unwrap_or_else(|| "none".to_owned())),
            ("image".to_owned(), image),
            ("content".to_owned(), exemplar.content.clone()),
        ];
        facts.extend(exemplar.tags.iter().map(|(name, value)| (format!("tag {name}"), value.to_string())));
        facts.extend(self.written_to.clone().map(|path| ("written to".to_owned(), path)));
        let mut text = String::new();
        for (name, value) in facts {
            // Writing to a string cannot fail.
            let _written = writeln!(text, "{:<18} {}", visible(&name), visible(&value));
        }
        text
    }
}
