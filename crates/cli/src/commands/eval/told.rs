//! What the evaluation commands print.

use std::fmt::Write as _;
use std::path::Path;

use lookalike_eval::{Measure, Preset, Report as Written, SetFound, ViewRecipe};
use lookalike_tmm::Blend;
use serde::Serialize;

use crate::show::output::{Report, Table, span};

/// A finished run.
#[derive(Debug, Serialize)]
pub(super) struct RunReport {
    protocols: Vec<ProtocolReport>,
    /// Plain words, as Markdown.
    verdict: String,
    page: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct ProtocolReport {
    protocol: String,
    measure: &'static str,
    rankings: Vec<RankingReport>,
}

#[derive(Debug, Serialize)]
struct RankingReport {
    ranking: String,
    /// Over all conditions, with its 95 % interval.
    mean: f64,
    low: f64,
    high: f64,
    median_rank: Option<f64>,
    forward_passes: usize,
    milliseconds: f64,
}

impl RunReport {
    pub(super) fn of(written: &Written, seconds: Option<f64>) -> Self {
        let protocols = written
            .summary
            .protocols
            .iter()
            .map(|found| {
                let main = Measure::main(found.protocol);
                let ranking = |line: &lookalike_eval::Line| {
                    let mean = line.overall.measures.get(&main)?;
                    Some(RankingReport {
                        ranking: line.contestant.clone(),
                        mean: mean.estimate,
                        low: mean.low,
                        high: mean.high,
                        median_rank: line.overall.median_rank,
                        forward_passes: line.forward_passes,
                        milliseconds: line.overall.milliseconds,
                    })
                };
                ProtocolReport {
                    protocol: found.protocol.to_string(),
                    measure: main.name(),
                    rankings: found.lines.iter().filter_map(ranking).collect(),
                }
            })
            .collect();
        Self {
            protocols,
            verdict: written.verdict.clone(),
            page: written.page.display().to_string(),
            seconds,
        }
    }
}

impl Report for RunReport {
    fn text(&self) -> String {
        let mut text = String::new();
        for ProtocolReport { protocol, measure, rankings } in &self.protocols {
            let _written = writeln!(text, "{protocol}: {measure}, mean over all conditions");
            let mut table =
                Table::new(&["ranking", ">mean", ">95 % interval", ">median rank", ">passes", ">ms"]);
            for line in rankings {
                table.row([
                    line.ranking.clone(),
                    format!("{:.1}", 100.0 * line.mean),
                    format!("{:.1} to {:.1}", 100.0 * line.low, 100.0 * line.high),
                    line.median_rank.map_or_else(String::new, |rank| rank.to_string()),
                    line.forward_passes.to_string(),
                    format!("{:.2}", line.milliseconds),
                ]);
            }
            text += &table.text();
            text.push('\n');
        }
        text += &self.verdict;
        let after = self.seconds.map_or_else(String::new, |seconds| format!(", after {}", span(seconds)));
        let _written = writeln!(text, "\nwrote {}{after}", self.page);
        text
    }
}

/// What changed between two runs.
#[derive(Debug, Serialize)]
pub(super) struct CompareReport {
    pub(super) markdown: String,
}

impl Report for CompareReport {
    fn text(&self) -> String {
        self.markdown.clone()
    }
}

/// A finished search of settings.
#[derive(Debug, Serialize)]
pub(super) struct TuneReport {
    preset: Preset,
    file: String,
    seconds: f64,
}

impl TuneReport {
    pub(super) fn of(preset: &Preset, folder: &Path, seconds: f64) -> Self {
        let file = folder.join("preset.json").display().to_string();
        Self { preset: preset.clone(), file, seconds }
    }
}

impl Report for TuneReport {
    fn text(&self) -> String {
        let Preset { way, found, whitened, milliseconds, trials, seed, sets, .. } = &self.preset;
        let mut text = format!(
            "the best of {trials} settings finds {:.1} % of the originals, whitened {:.1} %, in {milliseconds:.1} ms a query\n\
             wrote {} in {}\n",
            100.0 * found,
            100.0 * whitened,
            self.file,
            span(self.seconds)
        );
        if sets.len() > 1 {
            for SetFound { name, found, whitened, milliseconds } in sets {
                let [found, whitened] = [found, whitened].map(|share| 100.0 * share);
                let _written = writeln!(
                    text,
                    "  {name}: {found:.1} %, whitened {whitened:.1} %, in {milliseconds:.1} ms"
                );
            }
        }
        text += "\nin a database of your own:\n";
        way.views.iter().for_each(|view| text += &making(view, *seed));
        text += "  lookalike search DB IMAGE --rank tmm --full";
        for (name, setting) in &way.parameters {
            let _written = write!(text, " --set {name}={setting}");
        }
        text.push('\n');
        text
    }
}

/// The commands that make a view of a recipe.
fn making(view: &ViewRecipe, seed: u64) -> String {
    let name = view.to_string().replace([':', '.'], "-");
    let triggered = |kind: &str, blend: Blend, omega: f32| {
        let (file, blend) = (format!("{name}.safetensors"), blend.name().replace('_', "-"));
        format!(
            "  lookalike trigger fit DB --kind {kind} --seed {seed} --out {file}\n  \
             lookalike view add DB {name} --trigger {file} --blend {blend} --omega {omega}\n"
        )
    };
    match view {
        ViewRecipe::Global(blend, omega) => triggered("global --images 256 --steps 100", *blend, *omega),
        ViewRecipe::Random(blend, omega) => triggered("random", *blend, *omega),
        ViewRecipe::FixedPatch => triggered("fixed-patch", Blend::AsPrinted, 1.0),
        ViewRecipe::Blur(deviation) => format!("  lookalike view add DB {name} --blur {deviation}\n"),
        ViewRecipe::Mirror => format!("  lookalike view add DB {name} --mirror\n"),
        ViewRecipe::Noise(norm) => format!("  lookalike view add DB {name} --noise {norm} --seed {seed}\n"),
        ViewRecipe::Plain => format!("  lookalike view add DB {name} --noise 0\n"),
    }
}
