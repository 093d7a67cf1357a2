use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::judge::docket::file_name;
use crate::judge::judgement::{Judged, Spent};
use crate::judge::{JudgeError, Judgement, Matchup, Pairing, Verdict};
use crate::measure::mean_latent_distance;
use crate::record::write;
use crate::run::RunFolder;
use crate::subject::Subject;

/// Means of latent distances that differ by no more are a tie: a hundredth of the way between opposite ends of every
/// range.
pub const DEFAULT_TOLERANCE: f64 = 0.01;

/// What the judge is called.
const NAME: &str = "latent factors";

/// A pair as the factors judge it: a line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LatentRecord {
    condition: Condition,
    query: usize,
    /// Mean distance of the first contestant's neighbours.
    first: f64,
    /// Mean distance of the second's.
    second: f64,
    /// 1 if the first won, 0 if the second did, 0.5 for a tie.
    worth: f64,
}

/// The judgement of the factors that glyphs were drawn from: of two lists the one with the smaller mean
/// [`GlyphFactors::distance`](lookalike_datasets::GlyphFactors::distance) from the query wins, a neighbour of another class counts
/// as 1, and means within `tolerance` are a tie. Every distance goes to `judge/` of the run's directory.
///
/// It is no matter of taste: it says which list is nearer in what made the images, not which looks nearer.
///
/// # Errors
///
/// [`JudgeError::NoFactors`] when a query was not drawn, [`JudgeError::Range`] for a negative tolerance, and as
/// [`Matchup::pairings`].
pub fn latent_judgement(
    folder: &RunFolder,
    subject: &Subject,
    matchup: &Matchup,
    tolerance: f64,
) -> Result<Judgement, JudgeError> {
    if tolerance.is_nan() || tolerance < 0.0 {
        let what = "the tolerance of latent distances";
        return Err(JudgeError::Range { what, found: tolerance, expected: "0 or more" });
    }
    let pairings = matchup.pairings(folder, subject)?;
    let (mut judged, mut records) = (Vec::with_capacity(pairings.len()), Vec::with_capacity(pairings.len()));
    for pairing in &pairings {
        let Pairing { condition, query, lists } = pairing;
        let asked = &subject.queries(matchup.protocol)[*query].known;
        let distance = |list: &Vec<usize>| {
            mean_latent_distance(asked, list.iter().map(|place| &subject.exemplars[*place]))
        };
        let [first, second] = lists.each_ref().map(distance);
        let (first, second) = first.zip(second).ok_or(JudgeError::NoFactors)?;
        let verdict = if pairing.is_same_set() {
            Verdict::SameSet
        } else if (first - second).abs() <= tolerance {
            Verdict::Tie
        } else if first < second {
            Verdict::Win
        } else {
            Verdict::Loss
        };
        judged.push(Judged { condition: *condition, query: *query, verdict: Some(verdict) });
        let worth = verdict.worth().unwrap_or(0.5);
        records.push(LatentRecord { condition: *condition, query: *query, first, second, worth });
    }
    let Matchup { first, second, protocol, .. } = matchup;
    let name = file_name(&[NAME, first, second, &protocol.to_string()], "csv");
    write(&folder.path().join(name), &records)?;
    let conditions = matchup.conditions(folder)?;
    Judgement::of(NAME, matchup, &conditions, &judged, Spent::default(), 0)
}
