//! Progress bars: on a terminal only, and only for work that takes over a second.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lookalike::RebuildProgress;

use crate::show::output::span;

/// Work that is over sooner than this needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar with count, rate and remaining time on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
    visible: bool,
}

impl Progress {
    /// A bar for `what`, counted in `unit`; without a total it shows count and rate only.
    pub(crate) fn new(what: &'static str, unit: &str, total: Option<u64>) -> Self {
        let template = if total.is_some() {
            format!("{{msg}} {{bar:32}} {{human_pos}} of {{human_len}} {unit}, {{per_sec}}, {{eta}} left")
        } else {
            format!("{{msg}} {{spinner}} {{human_pos}} {unit}, {{per_sec}}, {{elapsed}}")
        };
        Self::with_template(what, &template, total)
    }

    /// A bar for `what`, counted in bytes.
    pub(crate) fn bytes(what: &'static str, total: Option<u64>) -> Self {
        let template = if total.is_some() {
            "{msg} {bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
        } else {
            "{msg} {spinner} {bytes}, {bytes_per_sec}, {elapsed}"
        };
        Self::with_template(what, template, total)
    }

    /// A bar for images, whose rate and remaining time the work itself says, see [`Progress::at_rate`].
    pub(crate) fn rated(what: &'static str) -> Self {
        Self::with_template(what, "{msg} {bar:32} {human_pos} of {human_len} images, {prefix}", Some(0))
    }

    fn with_template(what: &'static str, template: &str, total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        // The template is fixed text; were it wrong, the default style would show.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self { bar, start: Instant::now(), visible: false }
    }

    /// Moves the bar to `done` of `total`, at a rate and with a time left.
    pub(crate) fn at_rate(&mut self, done: u64, total: u64, images_per_second: f64, remaining: Duration) {
        self.bar.set_length(total);
        let left = span(remaining.as_secs_f64());
        self.bar.set_prefix(format!("{images_per_second:.0} images/s, {left} left"));
        self.at(done);
    }

    /// Moves the bar to `done`.
    pub(crate) fn at(&mut self, done: u64) {
        if !self.visible && self.start.elapsed() > PATIENCE && std::io::stderr().is_terminal() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.visible = true;
        }
        self.bar.set_position(done);
    }
}

/// Takes the bar off the screen; the report says what came of the work.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar for each collection that a rebuild or completion comes to, one after the other.
#[derive(Debug)]
pub(crate) struct ByCollection {
    what: &'static str,
    current: Option<(String, Progress)>,
}

impl ByCollection {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, current: None }
    }

    /// Moves the bar of this collection.
    pub(crate) fn at(&mut self, collection: &str, now: &RebuildProgress) {
        if self.current.as_ref().is_none_or(|(name, _)| name != collection) {
            self.current = Some((collection.to_owned(), Progress::rated(self.what)));
        }
        if let Some((_, bar)) = &mut self.current {
            bar.at_rate(now.done, now.total, now.images_per_second, now.remaining);
        }
    }
}
