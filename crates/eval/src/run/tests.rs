use lookalike_datasets::{Disturbance, GlyphSet};
use lookalike_vision::{Architecture, ModelManifest, ResNetConfig};

use super::*;
use crate::condition::Aim;
use crate::contest::{Baseline, Contestant, Way};
use crate::subject::Known;
use crate::summary::{Measure, Summary};

fn model() -> Arc<Model> {
    let manifest = ModelManifest {
        name: "tiny".to_owned(),
        architecture: Architecture::ResNet(ResNetConfig { base_width: 4, ..ResNetConfig::glyph_net() }),
        channels: 1,
        height: 28,
        width: 28,
        classes: GlyphSet::CLASSES.map(str::to_owned).to_vec(),
        normalisation: None,
    };
    Arc::new(Model::seeded(manifest, 1).unwrap())
}

fn glyphs(seed: u64) -> Vec<Known> {
    let known = |index| {
        let glyph = GlyphSet::new(seed).glyph(index);
        Known { image: glyph.image, label: Some(glyph.name.to_owned()), factors: Some(glyph.factors) }
    };
    (0..60).map(known).collect()
}

fn experiment() -> Experiment {
    let names = ["l2", "cosine", "whitened", "best-copy", "reciprocal", "views", "tmm", "tmm-minus-prior"];
    let chosen = |contestant: &Contestant| names.contains(&contestant.name.as_str());
    Experiment {
        exemplars: 40,
        queries: 5,
        seed: 3,
        trigger_seeds: 2,
        neighbours: 4,
        protocols: vec![Protocol::SelfRetrieval, Protocol::NonSelf],
        conditions: vec![
            Condition::Clean,
            Condition::Disturbed(Disturbance::GaussianNorm(2.0)),
            Condition::Attacked(Aim::Features, 0.05),
            Condition::Attacked(Aim::Score, 0.05),
        ],
        contestants: Contestant::shared().into_iter().filter(chosen).collect(),
        shortlists: vec![4, 45],
    }
}

fn subject(experiment: &Experiment) -> Subject {
    let (train, test, outliers) = (glyphs(1), glyphs(2), glyphs(3)[..5].to_vec());
    let load = |known: &Known| Ok::<_, EvalError>(known.clone());
    Subject::draw("glyphs", [&train, &test], outliers, experiment, load).unwrap()
}

/// All raw lines, without the times.
fn lines(folder: &RunFolder, experiment: &Experiment) -> Vec<Record> {
    let mut lines = Vec::new();
    for &protocol in &experiment.protocols {
        for condition in &experiment.conditions {
            lines.extend(folder.records(protocol, condition).unwrap().unwrap());
        }
    }
    lines.iter_mut().for_each(|line| line.microseconds = 0);
    lines
}

#[test]
fn a_run_measures_what_can_be_known_beforehand_and_goes_on_where_it_was_cut_off() {
    let (model, experiment) = (model(), experiment());
    let subject = subject(&experiment);
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::new(home.path().join("run"));
    let mut stages = 0;
    run(&folder, &model, &subject, &experiment, &mut |_| stages += 1).unwrap();
    assert!(stages > 6);
    let all = lines(&folder, &experiment);
    // 8 rankings, 4 of which have two seeds, 5 queries, 4 conditions, 2 protocols.
    assert_eq!(all.len(), (4 + 4 * 2) * 5 * 4 * 2);

    let clean = folder.records(Protocol::SelfRetrieval, &Condition::Clean).unwrap().unwrap();
    for line in clean.iter().filter(|line| ["l2", "cosine", "whitened"].contains(&line.contestant.as_str())) {
        assert_eq!(line.rank, Some(1), "{line:?}");
        assert_eq!(line.neighbours()[0].0 as usize, subject.own[line.query].original.unwrap());
        assert_eq!((line.overlap, line.neighbours().len()), (None, 4));
    }
    // A shortlist of everything keeps everything.
    let ceilings = folder.ceilings(Protocol::SelfRetrieval, &Condition::Clean).unwrap();
    assert!(
        ceilings.iter().filter(|line| line.length == 45).all(|line| line.kept.to_bits() == 1.0_f64.to_bits())
    );
    assert!(ceilings.iter().any(|line| line.length == 4 && line.kept < 1.0));

    let summary = Summary::of(&folder).unwrap();
    let own = &summary.protocols[0];
    let l2 = own.lines.iter().find(|line| line.contestant == "l2").unwrap();
    assert_eq!(l2.conditions[0].measures[&Measure::Retrieved].estimate.to_bits(), 1.0_f64.to_bits());
    assert!(own.contrasts.iter().any(|c| (c.first.as_str(), c.second.as_str()) == ("tmm", "whitened")));

    // Cut off in the middle: what is missing is made again, to the same bits.
    fs::remove_file(folder.raw(Protocol::NonSelf, &experiment.conditions[1], "csv")).unwrap();
    run(&folder, &model, &subject, &experiment, &mut |_| ()).unwrap();
    assert_eq!(lines(&folder, &experiment), all);
    // And from the beginning, elsewhere.
    let again = RunFolder::new(home.path().join("again"));
    run(&again, &model, &subject, &experiment, &mut |_| ()).unwrap();
    assert_eq!(lines(&again, &experiment), all);
}

#[test]
fn a_folder_of_another_run_is_refused_by_what_differs() {
    let (model, experiment) = (model(), experiment());
    let subject = subject(&experiment);
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::new(home.path());
    folder.claim(&experiment, &subject.record(&model)).unwrap();
    let refusal = |experiment: &Experiment, subject: &Subject| {
        run(&folder, &model, subject, experiment, &mut |_| ()).unwrap_err().to_string()
    };
    let other = Experiment { neighbours: 3, ..experiment.clone() };
    assert!(refusal(&other, &subject).contains("holds a run of another experiment"));
    let shuffled = Subject { exemplars: subject.exemplars.iter().rev().cloned().collect(), ..subject };
    assert!(refusal(&experiment, &shuffled).contains("holds a run of another data set or model"));
    let error = Summary::of(&folder).unwrap_err().to_string();
    assert!(error.contains("it lacks self-retrieval under clean"), "{error}");
}

#[test]
fn an_experiment_without_its_reference_is_refused() {
    let experiment = experiment();
    let refusal = |experiment: &Experiment| experiment.validate().unwrap_err().to_string();
    let is_whitened = |contestant: &Contestant| contestant.way == Way::Baseline(Baseline::Whitened);
    let contestants = experiment.contestants.iter().filter(|c| !is_whitened(c)).cloned().collect();
    assert!(refusal(&Experiment { contestants, ..experiment.clone() }).contains("whitened"));
    let conditions = experiment.conditions[1..].to_vec();
    assert!(
        refusal(&Experiment { conditions, ..experiment.clone() }).contains("first condition must be clean")
    );
    let found = refusal(&Experiment { neighbours: 40, ..experiment.clone() });
    assert_eq!(found, "40 neighbours are asked for, 1 to 39 are possible");
    let error =
        Subject::draw::<Known, EvalError>("few", [&glyphs(1)[..9], &[]], Vec::new(), &experiment, |known| {
            Ok(known.clone())
        });
    assert_eq!(error.unwrap_err().to_string(), "9 training images are there, 40 are needed; ask for fewer");
}
