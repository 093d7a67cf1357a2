use std::cell::RefCell;
use std::path::Path;

use lookalike_datasets::GlyphSet;
use lookalike_plugin_api::Image;

use super::*;
use crate::condition::Condition;
use crate::contest::Contestant;
use crate::experiment::{Experiment, Protocol, Suite};
use crate::record::Record;
use crate::record::write;
use crate::run::RunFolder;
use crate::subject::{AskedFor, Known, Subject, SubjectRecord};

/// Exemplars 0 to 5 are dark and 6 to 11 bright; the first four are asked for.
fn grey() -> Subject {
    let known = |level: u8| Known {
        image: Image::new(8, 8, 1, vec![level; 64]).unwrap(),
        label: Some("grey".to_owned()),
        factors: None,
    };
    subject((0..6).chain(200..206).map(known).collect())
}

fn subject(exemplars: Vec<Known>) -> Subject {
    let own =
        (0..4).map(|place| AskedFor { known: exemplars[place].clone(), original: Some(place) }).collect();
    Subject { name: "made".to_owned(), exemplars, outliers: 0, own, foreign: Vec::new() }
}

/// Under both conditions `tmm` finds the dark ones and `whitened` the bright ones, both with the original in the middle;
/// of the last query both find the same, in another order. A second seed finds something else.
fn finished(subject: &Subject) -> (tempfile::TempDir, RunFolder) {
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::new(home.path());
    let names = ["l2", "tmm", "whitened"];
    let experiment = Experiment {
        exemplars: 12,
        queries: 4,
        neighbours: 5,
        conditions: vec![Condition::Clean, "noise=5".parse().unwrap()],
        contestants: Contestant::few()
            .into_iter()
            .filter(|known| names.contains(&known.name.as_str()))
            .collect(),
        ..Suite::Paper.experiment()
    };
    let record = SubjectRecord {
        name: subject.name.clone(),
        exemplars: 12,
        outliers: 0,
        images: subject.digest().to_string(),
        model: "none".to_owned(),
    };
    folder.write("experiment.json", &serde_json::to_vec(&experiment).unwrap()).unwrap();
    folder.write("subject.json", &serde_json::to_vec(&record).unwrap()).unwrap();
    for condition in ["clean", "noise-5"] {
        let lines: Vec<Record> = (0..4).flat_map(|query| lines(query, condition)).collect();
        write(&home.path().join(format!("raw/self-retrieval/{condition}.csv")), &lines).unwrap();
    }
    (home, folder)
}

fn lines(query: usize, condition: &str) -> Vec<Record> {
    let line = |contestant: &str, seed, others: [usize; 4]| {
        let [a, b, c, d] = others;
        let list = [a, b, query, c, d].map(|id| format!("{id}:0.5"));
        Record {
            contestant: contestant.to_owned(),
            seed,
            query,
            rank: Some(3),
            precision: None,
            average_precision: None,
            right: None,
            overlap: None,
            rank_biased_overlap: None,
            latent: None,
            outliers: 0.0,
            microseconds: 1,
            nearest: list.join(" "),
        }
    };
    let dark = if condition == "clean" { [4, 5, 4, 5] } else { [5, 4, 5, 5] };
    let (of_tmm, of_whitened) =
        if query == 3 { ([7, 8, 9, 10], [8, 7, 9, 10]) } else { (dark, [6 + query, 10, 11, 11]) };
    vec![line("tmm", 0, of_tmm), line("tmm", 1, [11; 4]), line("whitened", 0, of_whitened)]
}

fn matchup() -> Matchup {
    Matchup { neighbours: 3, ..Matchup::default() }
}

/// Looks at the picture and says what its rule gives for the levels of the two rows.
struct Eye<F> {
    rule: F,
    pictures: RefCell<Vec<Vec<u8>>>,
}

impl<F: Fn(u8, u8) -> &'static str> Eye<F> {
    fn new(rule: F) -> Self {
        Self { rule, pictures: RefCell::new(Vec::new()) }
    }

    fn asked(&self) -> usize {
        self.pictures.borrow().len()
    }
}

impl<F: Fn(u8, u8) -> &'static str> Judge for Eye<F> {
    fn name(&self) -> &'static str {
        "eye"
    }

    fn ask(&self, question: &Question) -> Result<Reply, JudgeError> {
        self.pictures.borrow_mut().push(question.png.clone());
        let picture = lookalike_engine::decode(&question.png).unwrap().image;
        // The right end of the rows is within the last image of each.
        let level = |row: usize| {
            let down = picture.height() * (2 * row + 3) / 6;
            picture.samples()[(down * picture.width() + picture.width() - 40) * picture.channels()]
        };
        let said = (self.rule)(level(0), level(1));
        if said == "away" {
            return Err(JudgeError::Unanswered { source: "nobody is there".into() });
        }
        Ok(Reply { text: said.to_owned(), tokens_in: Some(1_000), tokens_out: Some(500) })
    }
}

const A: &str = r#"{"answer": "A", "reason": "darker"}"#;
const B: &str = r#"{"answer": "B", "reason": "darker"}"#;

fn darker(a: u8, b: u8) -> &'static str {
    if a < b { A } else { B }
}

fn ask(docket: &Docket<'_>, judge: &dyn Judge, limits: Limits) -> Result<Asking, JudgeError> {
    docket.ask(judge, &limits, &mut |_, _| ())
}

#[test]
fn pairings_are_the_nearest_of_the_first_seed_without_the_original() {
    let subject = grey();
    let (_home, folder) = finished(&subject);
    let pairings = matchup().pairings(&folder, &subject).unwrap();
    assert_eq!(pairings.len(), 8);
    assert_eq!(pairings[1].lists, [vec![4, 5, 4], vec![7, 10, 11]]);
    assert_eq!(pairings.iter().filter(|pairing| pairing.is_same_set()).count(), 2);
    let noisy = Matchup { conditions: vec!["noise=5".parse().unwrap()], ..matchup() };
    assert_eq!(noisy.pairings(&folder, &subject).unwrap()[0].lists[0], [5, 4, 5]);
}

#[test]
fn what_the_run_has_not_is_refused_by_name() {
    let subject = grey();
    let (home, folder) = finished(&subject);
    let refusal = |matchup: Matchup| matchup.pairings(&folder, &subject).unwrap_err().to_string();
    let named = |first: &str| Matchup { first: first.to_owned(), ..matchup() };
    assert_eq!(refusal(named("best")), "\"best\" took no part in the run; there are: l2, whitened, tmm");
    assert!(refusal(named("whitened")).contains("compared with itself"));
    let fog = vec!["fog:3".parse().unwrap()];
    assert!(
        refusal(Matchup { conditions: fog, ..matchup() }).contains("no condition fog:3; there are: clean")
    );
    let foreign = Matchup { protocol: Protocol::NonSelf, ..matchup() };
    assert_eq!(refusal(foreign), "the run has no protocol non-self");
    assert!(refusal(Matchup { neighbours: 5, ..matchup() }).contains("kept 4 neighbours"));
    assert!(refusal(Matchup { neighbours: 0, ..matchup() }).contains("0 for neighbours is out of range"));

    let mut other = grey();
    other.exemplars[5].image = other.exemplars[0].image.clone();
    let error = matchup().pairings(&folder, &other).unwrap_err().to_string();
    assert!(error.contains("holds a run of another data set"), "{error}");
    std::fs::remove_file(home.path().join("raw/self-retrieval/noise-5.csv")).unwrap();
    assert!(refusal(matchup()).contains("it lacks self-retrieval under noise=5"));
}

#[test]
fn a_list_that_looks_nearer_in_both_orders_wins_and_the_same_images_are_a_tie_without_asking() {
    let subject = grey();
    let (_home, folder) = finished(&subject);
    let docket = Docket::new(&folder, &subject, matchup(), 0).unwrap();
    let eye = Eye::new(darker);
    let asking = ask(&docket, &eye, Limits::default()).unwrap();
    // Three queries under two conditions in two orders.
    assert_eq!((asking.answered, asking.stop, asking.unanswered.len()), (12, Stop::Done, 0));
    let judgement = docket.judgement("eye").unwrap();
    let Tally { wins, losses, ties, same_sets, by_place, abstained, left, win_rate } = judgement.overall;
    assert_eq!((wins, losses, ties, same_sets, by_place, abstained, left), (6, 0, 2, 2, 0, 0, 0));
    // Three queries with 1 and one with a half.
    assert!((win_rate.unwrap().estimate - 0.875).abs() < 1e-12);
    assert_eq!(judgement.spent.chosen, [6, 6], "each order comes once");
    assert_eq!(judgement.conditions.len(), 2);
    assert!(judgement.conclusion().starts_with("tmm shows images more like the query than whitened: 87.5 %"));

    let backwards = Matchup { first: "whitened".to_owned(), second: "tmm".to_owned(), ..matchup() };
    let backwards = Docket::new(&folder, &subject, backwards, 7).unwrap();
    assert_eq!(ask(&backwards, &eye, Limits::default()).unwrap().answered, 0, "the pictures are the same");
    assert_eq!(backwards.judgement("eye").unwrap().overall.losses, 6);
}

#[test]
fn a_judge_that_goes_by_place_or_talks_nonsense_decides_nothing() {
    let subject = grey();
    let (_home, folder) = finished(&subject);
    let docket = Docket::new(&folder, &subject, matchup(), 0).unwrap();
    ask(&docket, &Eye::new(|_, _| A), Limits::default()).unwrap();
    let tally = docket.judgement("eye").unwrap().overall;
    assert_eq!((tally.wins, tally.losses, tally.ties, tally.by_place), (0, 0, 8, 6));
    assert!((tally.win_rate.unwrap().estimate - 0.5).abs() < 1e-12);

    let (home, folder) = finished(&subject);
    let docket = Docket::new(&folder, &subject, matchup(), 0).unwrap();
    ask(&docket, &Eye::new(|_, _| "I cannot see, \"images\"\nsorry"), Limits::default()).unwrap();
    let judgement = docket.judgement("eye").unwrap();
    assert_eq!((judgement.overall.abstained, judgement.overall.ties), (6, 2));
    assert_eq!((judgement.spent.abstentions, judgement.spent.chosen), (12, [0, 0]));
    let kept = std::fs::read_to_string(home.path().join("judge/eye.csv")).unwrap();
    assert_eq!(kept.matches("\"I cannot see, \"\"images\"\"\nsorry\"").count(), 12);
}

#[test]
fn nothing_is_asked_twice_and_limits_hold_over_all_calls() {
    let subject = grey();
    let (home, folder) = finished(&subject);
    let docket = Docket::new(&folder, &subject, matchup(), 0).unwrap();
    let eye = Eye::new(darker);
    let three = Limits { questions: Some(3), ..Limits::default() };
    let asking = ask(&docket, &eye, three).unwrap();
    assert_eq!((asking.answered, asking.stop), (3, Stop::Questions));
    // The third question has half a pair only, and what comes behind it was not reached.
    let tally = docket.judgement("eye").unwrap().overall;
    assert_eq!((tally.wins, tally.wins + tally.ties + tally.left), (1, 8));
    assert!(tally.left >= 5);

    let again = Docket::new(&folder, &subject, matchup(), 0).unwrap();
    assert_eq!(ask(&again, &eye, three).unwrap().answered, 0);
    assert_eq!(ask(&again, &eye, Limits::default()).unwrap().answered, 9);
    let mut pictures = eye.pictures.borrow().clone();
    pictures.sort();
    pictures.dedup();
    assert_eq!((eye.asked(), pictures.len()), (12, 12));
    let prompts: Vec<_> = std::fs::read_dir(home.path().join("judge/prompts")).unwrap().collect();
    assert_eq!(prompts.len(), 1);
    let words = std::fs::read_to_string(prompts[0].as_ref().unwrap().path()).unwrap();
    assert!(words.contains("exactly one JSON object") && words.contains("3 images each"), "{words}");
    assert!(!words.contains("tmm") && !words.contains("whitened") && !words.contains("noise"), "{words}");
}

#[test]
fn asking_stops_before_it_costs_too_much() {
    let subject = grey();
    let (_home, folder) = finished(&subject);
    let docket = Docket::new(&folder, &subject, matchup(), 0).unwrap();
    let eye = Eye::new(darker);
    // A thousand and five hundred tokens: 0.002 a question.
    let prices = Some(Prices { million_in: 1.0, million_out: 2.0 });
    let asking = ask(&docket, &eye, Limits { cost: Some(0.009), prices, questions: None }).unwrap();
    assert_eq!((asking.answered, asking.stop), (4, Stop::Cost));
    assert!((docket.judgement("eye").unwrap().spent.cost - 0.008).abs() < 1e-12);
    let unpriced = ask(&docket, &eye, Limits { cost: Some(1.0), ..Limits::default() });
    assert!(matches!(unpriced, Err(JudgeError::CostUnknown)));
    let endless = ask(&docket, &eye, Limits { cost: Some(f64::NAN), prices, questions: None });
    assert!(endless.unwrap_err().to_string().contains("the limit on the cost is out of range"));
}

#[test]
fn a_judge_that_is_away_is_not_asked_for_ever_and_answers_until_then_are_kept() {
    let subject = grey();
    let (_home, folder) = finished(&subject);
    let docket = Docket::new(&folder, &subject, matchup(), 0).unwrap();
    let calls = RefCell::new(0);
    let fleeting = Eye::new(|a, b| {
        *calls.borrow_mut() += 1;
        if [2, 3].contains(&*calls.borrow()) || *calls.borrow() > 6 { "away" } else { darker(a, b) }
    });
    let error = ask(&docket, &fleeting, Limits::default()).unwrap_err();
    assert!(matches!(error, JudgeError::Unanswered { .. }));
    assert_eq!(fleeting.asked(), 6 + MOST_FAILURES_IN_A_ROW);
    assert_eq!(docket.judgement("eye").unwrap().spent.questions, 4);
    assert_eq!(ask(&docket, &Eye::new(darker), Limits::default()).unwrap().answered, 8);
}

#[test]
fn the_factors_of_glyphs_judge_without_a_model() {
    let set = GlyphSet::new(1);
    let base = set.glyph(0);
    let known = |place: u8| {
        let mut factors = base.factors;
        // Places 0 to 5 are drawn alike, the others are of another class.
        factors.rotation += f32::from(place) * 0.1;
        let label = if place < 6 { base.name } else { "other" };
        let image = Image::new(8, 8, 1, vec![place; 64]).unwrap();
        Known { image, label: Some(label.to_owned()), factors: Some(factors) }
    };
    let drawn = subject((0..12).map(known).collect());
    let (home, folder) = finished(&drawn);
    let judgement = latent_judgement(&folder, &drawn, &matchup(), DEFAULT_TOLERANCE).unwrap();
    assert_eq!((judgement.overall.wins, judgement.overall.same_sets, judgement.overall.losses), (6, 2, 0));
    assert_eq!(judgement.spent, Spent::default());
    let kept = home.path().join("judge/latent-factors-tmm-whitened-self-retrieval.csv");
    assert_eq!(std::fs::read_to_string(kept).unwrap().lines().count(), 9);
    let loose = latent_judgement(&folder, &drawn, &matchup(), 1.0).unwrap();
    assert_eq!((loose.overall.ties, loose.overall.same_sets), (8, 2));

    let undrawn = grey();
    let (_home, folder) = finished(&undrawn);
    let error = latent_judgement(&folder, &undrawn, &matchup(), DEFAULT_TOLERANCE).unwrap_err();
    assert!(matches!(error, JudgeError::NoFactors));
}

#[test]
fn a_report_finds_what_judges_left() {
    let subject = grey();
    let (home, folder) = finished(&subject);
    assert!(read_judgements(&folder).unwrap().is_empty());
    let docket = Docket::new(&folder, &subject, matchup(), 0).unwrap();
    ask(&docket, &Eye::new(darker), Limits::default()).unwrap();
    let judgement = docket.judgement("eye").unwrap();
    assert!(
        judgement.write(&folder).unwrap().ends_with(Path::new("judge/eye-tmm-whitened-self-retrieval.md"))
    );
    assert_eq!(read_judgements(&folder).unwrap(), [judgement.markdown()]);
    let text = judgement.markdown();
    assert!(text.contains("| noise=5 | 3 | 0 | 1 | 1 | 0 | 0 | 0 | 87.5 %"), "{text}");
    assert!(text.contains("row A was chosen 6 times, row B 6 times"), "{text}");
    assert!(home.path().join("judge").is_dir());
}
