use std::fs;
use std::path::Path;

use lookalike_plugin_api::Image;

use super::test_run::{ODD, QUERIES, experiment, raw, run, subject};
use super::words::count;
use super::write_report;
use crate::contest::{Contestant, Way};
use crate::error::EvalError;
use crate::experiment::{Experiment, Protocol};
use crate::record::{Ceiling, Record};
use crate::record::{read, write};
use crate::report::Report;
use crate::run::RunFolder;
use crate::subject::{AskedFor, Known, Subject, SubjectRecord};
use crate::summary::Summary;
use crate::tune::TUNED;

fn report(path: &Path, experiment: &Experiment) -> Report {
    write_report(&run(path, experiment, &subject()), None).unwrap()
}

#[test]
fn the_verdict_says_where_the_method_is_better_worse_and_where_nothing_is_shown() {
    let home = tempfile::tempdir().unwrap();
    let verdict = report(home.path(), &experiment()).verdict;
    let sentences = [
        "**Self-retrieval: tmm beats l2 and whitened. It has the highest mean of all 4 rankings.**",
        "Each query is one of the 50 stored exemplars",
        "- **better** - tmm finds the original first in 100.0 % of the queries, 66.7 points more than l2 (interval \
         66.7 to 66.7, p = 0.001 after Holm).",
        "- **better** - tmm finds the original first in 100.0 % of the queries, 40.0 points more than whitened",
        "- **better** - tmm is better than l2 under: brightness +100.0 (100.0 to 100.0), noise +100.0 (100.0 to 100.0).",
        "- **open** - No difference between tmm and l2 is shown under: clean queries 0.0 (0.0 to 0.0).",
        "takes 60.0 ms (median) and PASSES forward passes",
        "tmm has 40 times the time",
        "**Non-self: tmm is beaten by whitened; against l2 no difference is shown. The highest mean of all 4 rankings \
         is that of whitened: 0.600.**",
        "- **worse** - tmm reaches a MAP@R of 0.500, 0.100 less than whitened (interval 0.100 to 0.100,",
        "- **open** - No difference between tmm and l2 is shown: 0.500 against 0.500, 0.000 (interval ",
        "How tmm stands against cosine, which has no results.",
        "fitting the trigger rather than drawing it (no tmm-trigger-only, no tmm-random-trigger)",
    ];
    for sentence in sentences {
        let passes = experiment().contestants[2].way.forward_passes(50);
        let sentence = sentence.replace("PASSES", &count(passes));
        assert!(verdict.contains(&sentence), "{sentence}\n\n{verdict}");
    }
    assert!(!verdict.contains("equal to") && !verdict.contains("as good as"), "{verdict}");
}

#[test]
fn a_clean_query_that_does_not_find_itself_is_told() {
    let home = tempfile::tempdir().unwrap();
    let experiment = experiment();
    let folder = run(home.path(), &experiment, &subject());
    let summary = |folder| {
        write_report(folder, None).unwrap();
        fs::read_to_string(home.path().join("report/summary.md")).unwrap()
    };
    assert!(summary(&folder).contains("As a check of the run, l2 finds 100.0 % of the clean queries."));
    let clean = raw(home.path(), Protocol::SelfRetrieval, &experiment.conditions[0]);
    let mut records: Vec<Record> = read(&clean).unwrap();
    records.iter_mut().find(|record| record.contestant == "l2").unwrap().rank = Some(2);
    write(&clean, &records).unwrap();
    assert!(summary(&folder).contains("Beware: l2 finds only 90.0 % of the clean queries."));
}

#[test]
fn the_outcome_of_a_search_is_held_against_what_it_was_searched_from() {
    let home = tempfile::tempdir().unwrap();
    let mut experiment = experiment();
    let tuned = Contestant { name: TUNED.to_owned(), ..experiment.contestants[2].clone() };
    experiment.contestants.push(tuned);
    let verdict = report(home.path(), &experiment).verdict;
    assert!(verdict.contains("- **worse** - Worse than tmm: tuned -66.7 (-66.7 to -66.7)."), "{verdict}");
    let presets = verdict.split("a preset that was searched for").nth(1).unwrap();
    assert!(
        presets.contains("tuned and whitened is shown: 33.3 % against 60.0 %, -26.7 points"),
        "{presets}"
    );
}

#[test]
fn what_a_shortlist_keeps_is_told_by_kind_of_disturbance() {
    let home = tempfile::tempdir().unwrap();
    let experiment = experiment();
    let folder = run(home.path(), &experiment, &subject());
    let kept = |query, metric: &str, kept| Ceiling {
        full: "tmm".to_owned(),
        metric: metric.to_owned(),
        length: 20,
        query,
        kept,
    };
    let lines = [kept(0, "l2", 0.4), kept(1, "l2", 0.8), kept(0, "whitened", 1.0), kept(1, "whitened", 0.9)];
    let noise = raw(home.path(), Protocol::SelfRetrieval, &experiment.conditions[2]);
    write(&noise.with_extension("ceiling.csv"), &lines).unwrap();
    let written = write_report(&folder, None).unwrap();
    let kept = &written.summary.protocols[0].ceilings[&("tmm".to_owned(), "l2".to_owned(), 20)];
    assert!((kept.overall - 0.6).abs() < 1e-12 && kept.conditions[..2] == [None, None], "{kept:?}");
    let markdown = fs::read_to_string(home.path().join("report/summary.md")).unwrap();
    let table = markdown.split("that a shortlist of 20 keeps, by kind of disturbance").nth(1).unwrap();
    let words: Vec<&str> = table.split_whitespace().collect();
    let row = ["|", "noise", "|", "60.0", "%", "|", "95.0", "%", "|"];
    assert!(words.windows(row.len()).any(|found| found == row), "{table}");
}

#[test]
fn a_method_of_another_name_stands_in_and_it_is_said() {
    let home = tempfile::tempdir().unwrap();
    let mut renamed = experiment();
    let way = renamed.contestants[2].way.clone();
    renamed.contestants[2].name = "exact".to_owned();
    renamed.contestants.push(Contestant { name: "exact-5-epochs".to_owned(), way });
    let verdict = report(home.path(), &renamed).verdict;
    assert!(
        verdict.contains(
            "No ranking is called tmm; exact stands for the method because its mean is the highest of 2"
        ),
        "{verdict}"
    );
    assert!(
        verdict.contains("No difference from exact is shown for: exact-5-epochs 0.0 (0.0 to 0.0)"),
        "{verdict}"
    );
}

#[test]
fn a_run_without_the_method_has_a_report_that_says_so() {
    let home = tempfile::tempdir().unwrap();
    let mut without = experiment();
    without.contestants.retain(|known| matches!(known.way, Way::Baseline(_)));
    let verdict = report(home.path(), &without).verdict;
    let sentence = "no ranking of this run is the method; whitened has the highest mean.";
    assert!(verdict.contains(sentence), "{verdict}");
}

#[test]
fn a_protocol_without_labels_has_a_report_that_says_so() {
    let home = tempfile::tempdir().unwrap();
    let folder = run(home.path(), &experiment(), &subject());
    for condition in experiment().conditions {
        let path = raw(home.path(), Protocol::NonSelf, &condition);
        let mut records: Vec<Record> = read(&path).unwrap();
        records.iter_mut().for_each(|record| record.average_precision = None);
        write(&path, &records).unwrap();
    }
    let verdict = write_report(&folder, None).unwrap().verdict;
    assert!(verdict.contains("Non-self: no ranking has the main measure, MAP@R."), "{verdict}");
}

#[test]
fn names_cannot_break_the_page_nor_the_tables() {
    let home = tempfile::tempdir().unwrap();
    let report = report(home.path(), &experiment());
    let page = fs::read_to_string(&report.page).unwrap();
    assert!(page.contains("&lt;i&gt;odd|&quot;name&quot; &amp; 'more'"), "{page}");
    assert!(page.contains("<title>Evaluation of rankings on shapes &amp; &lt;signs&gt;</title>"));
    assert!(!page.contains("<i>") && !page.contains("<signs>") && !page.contains("<script"));
    assert_eq!(page.matches("<svg role=\"img\"").count(), page.matches("</svg>").count());
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "the page needs other files");

    let text = fs::read_to_string(home.path().join("report/summary.md")).unwrap();
    assert!(text.contains("&lt;i&gt;odd\\|\"name\" &amp; 'more'"), "{text}");
    let mut lines = csv::Reader::from_path(home.path().join("report/summary.csv")).unwrap();
    assert!(lines.records().all(|line| line.unwrap().len() == 7));
}

#[test]
fn every_number_is_a_line_of_the_table() {
    let home = tempfile::tempdir().unwrap();
    report(home.path(), &experiment());
    let text = fs::read_to_string(home.path().join("report/summary.csv")).unwrap();
    assert!(text.starts_with("protocol,contestant,condition,measure,estimate,low,high\n"), "{text}");
    for line in [
        "self-retrieval,tmm,all,self-retrieval at 1,1.0,1.0,1.0\n",
        "self-retrieval,l2,noise=5,self-retrieval at 1,0.0,0.0,0.0\n",
        "self-retrieval,l2,noise=5,median rank,7.0,,\n",
        "non-self,tmm,brightness=0.5,MAP@R,0.5,0.5,0.5\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    assert!(text.contains(&format!("\"{}\"", ODD.replace('"', "\"\""))), "{text}");
}

#[test]
fn the_same_run_gives_the_same_files() {
    let home = tempfile::tempdir().unwrap();
    let folder = run(home.path(), &experiment(), &subject());
    let all = |report: &Report| -> Vec<Vec<u8>> {
        report.files.iter().map(|file| fs::read(file).unwrap()).collect()
    };
    let first = write_report(&folder, None).unwrap();
    let before = all(&first);
    let stale = home.path().join("report/plots/of-an-earlier-report.svg");
    fs::write(&stale, "<svg/>").unwrap();
    let second = write_report(&folder, None).unwrap();
    assert_eq!(first, second);
    assert_eq!(before, all(&second));
    assert!(!stale.exists());
}

#[test]
fn an_unfinished_run_is_refused_and_what_it_lacks_is_named() {
    let home = tempfile::tempdir().unwrap();
    let folder = run(home.path(), &experiment(), &subject());
    fs::remove_file(raw(home.path(), Protocol::NonSelf, &"noise=5".parse().unwrap())).unwrap();
    let error = write_report(&folder, None).unwrap_err().to_string();
    assert!(error.contains("it lacks non-self under noise=5"), "{error}");
    assert!(!home.path().join("report").exists());

    let nothing = tempfile::tempdir().unwrap();
    let error = write_report(&RunFolder::new(nothing.path()), None).unwrap_err();
    assert!(matches!(error, EvalError::File { .. }), "{error}");
}

fn images() -> Subject {
    let known = |place: usize| Known {
        image: Image::new(4, 4, 1, vec![place as u8 * 5; 16]).unwrap(),
        label: Some(format!("class {}", place % 2)),
        factors: None,
    };
    let queries = |first: usize, is_own: bool| {
        (0..QUERIES)
            .map(|place| AskedFor { known: known(first + place), original: is_own.then_some(place) })
            .collect()
    };
    Subject {
        name: "shapes & <signs>".to_owned(),
        exemplars: (0..50).map(known).collect(),
        outliers: 0,
        own: queries(0, true),
        foreign: queries(20, false),
    }
}

#[test]
fn the_images_of_the_run_make_grids_and_others_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let images = images();
    let record = SubjectRecord { images: images.digest().to_string(), ..subject() };
    let folder = run(home.path(), &experiment(), &record);
    let report = write_report(&folder, Some(&images)).unwrap();
    let grids: Vec<String> = report
        .files
        .iter()
        .filter(|file| file.parent().unwrap().ends_with("grids"))
        .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        grids,
        [
            "self-retrieval-brightness-0.5.svg",
            "self-retrieval-noise-5.svg",
            "non-self-brightness-0.5.svg",
            "non-self-noise-5.svg"
        ]
    );
    let grid = fs::read_to_string(home.path().join("report/grids/self-retrieval-noise-5.svg")).unwrap();
    // Four queries, each by l2, whitened and tmm, with two neighbours, of which the first is the original.
    assert_eq!(grid.matches("data:image/png").count(), 4 * 3 * 3);
    assert!(grid.contains("l2 original at 7") && grid.contains("tmm original at 1"), "{grid}");

    let without = write_report(&folder, None).unwrap();
    assert!(!home.path().join("report/grids/self-retrieval-noise-5.svg").exists());
    let page = fs::read_to_string(&without.page).unwrap();
    assert!(page.contains("Grids of queries and their neighbours are left out"));

    let mut other = images;
    other.exemplars[3].label = None;
    let error = write_report(&folder, Some(&other)).unwrap_err();
    assert!(matches!(error, EvalError::Other { what: "data set", .. }), "{error}");
}

#[test]
fn the_tables_hold_what_the_summary_found() {
    let home = tempfile::tempdir().unwrap();
    let report = report(home.path(), &experiment());
    let summary = Summary::of(&RunFolder::new(home.path())).unwrap();
    assert_eq!(summary.protocols[0].lines[0].contestant, "tmm");
    let page = fs::read_to_string(report.page).unwrap();
    assert!(page.contains("<th scope=\"row\"><strong>tmm</strong></th>"));
    assert!(page.contains("<strong>100.0\u{a0}% (100.0 to 100.0)</strong>"), "{page}");
    assert!(page.contains("<td class=\"number\">60.0\u{a0}% ("), "{page}");
}
