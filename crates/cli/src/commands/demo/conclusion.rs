//! What the demonstration's numbers say, in sentences that are put together from the numbers.

use super::score::RankingScore;
use super::tally::sign_test;
use crate::args::ranking::Ranking;
use crate::show::output::grouped;

/// Below this chance of a coincidence two rankings count as different.
const SIGNIFICANT: f64 = 0.05;

/// A sentence or two about each thing that was measured.
pub(crate) fn conclusions(scores: &[RankingScore]) -> Vec<String> {
    let is_plain = |score: &&RankingScore| matches!(score.ranking, Ranking::Metric(_));
    let plain: Vec<&RankingScore> = scores.iter().filter(is_plain).collect();
    let Some(best) = plain.iter().max_by_key(|score| score.disturbed.found()) else {
        return Vec::new();
    };
    let mut sentences = vec![plain_sentence(&plain, best)];
    for reranked in scores.iter().filter(|score| !is_plain(score)) {
        sentences.push(rerank_sentence(reranked, best));
        sentences.extend(alikeness_sentence(reranked, &plain));
    }
    sentences
}

fn plain_sentence(plain: &[&RankingScore], best: &RankingScore) -> String {
    let (asked, found) = (best.disturbed.very_first.len(), best.disturbed.found());
    let level: Vec<&str> = plain
        .iter()
        .filter(|score| score.disturbed.found() == found)
        .map(|score| score.ranking.name())
        .collect();
    let others: Vec<String> = plain
        .iter()
        .filter(|score| score.disturbed.found() < found)
        .map(|score| format!("{} {}", score.ranking, score.disturbed.found()))
        .collect();
    let (names, very) = (joined(&level), "put the very glyph first for");
    if others.is_empty() {
        return format!("Of {asked} disturbed queries, each of {names} {very} {found}.");
    }
    let others = others.join(", ");
    format!("Of {asked} disturbed queries, {names} {very} {found}, the most of the plain metrics ({others}).")
}

fn rerank_sentence(reranked: &RankingScore, best: &RankingScore) -> String {
    let (found, by_best) = (reranked.disturbed.found(), best.disturbed.found());
    let order = match found.cmp(&by_best) {
        std::cmp::Ordering::Less => "behind",
        std::cmp::Ordering::Equal => "level with",
        std::cmp::Ordering::Greater => "ahead of",
    };
    let chance = sign_test(&reranked.disturbed.very_first, &best.disturbed.very_first);
    let weight = if chance < SIGNIFICANT {
        format!("more than chance would explain (sign test, p = {chance:.3})")
    } else {
        format!("which so few queries cannot tell from chance (sign test, p = {chance:.2})")
    };
    let clean = (reranked.clean.found(), reranked.clean.very_first.len());
    let times = reranked.median_seconds() / best.median_seconds().max(1e-9);
    let cost = if times >= 1.5 {
        #[expect(clippy::cast_sign_loss, reason = "at least 1.5 here")]
        let times = times.round() as u64;
        format!("{} times as long as {}", grouped(times), best.ranking)
    } else {
        format!("about as long as {}", best.ranking)
    };
    format!(
        "{} did so for {found}, {order} {} with {by_best}, {weight}; of the clean queries it kept {} of {} first. It \
         takes {cost}.",
        reranked.ranking, best.ranking, clean.0, clean.1
    )
}

fn alikeness_sentence(reranked: &RankingScore, plain: &[&RankingScore]) -> Option<String> {
    let share = |score: &RankingScore| score.both_same_class().get();
    let best = plain.iter().max_by(|a, b| share(a).unwrap_or(0.0).total_cmp(&share(b).unwrap_or(0.0)))?;
    let (of_it, of_best) = (100.0 * share(reranked)?, 100.0 * share(best)?);
    Some(format!(
        "Among the neighbours beside the glyph itself, {of_it:.0} % of {}'s and {of_best:.0} % of {}'s are the same sign.",
        reranked.ranking, best.ranking
    ))
}

fn joined(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use lookalike_engine::Metric;

    use super::*;
    use crate::commands::demo::tally::Tally;

    fn score(ranking: Ranking, found: usize, seconds: f64) -> RankingScore {
        let tally = |found: usize| Tally {
            very_first: (0..10).map(|query| query < found).collect(),
            seconds: vec![seconds; 10],
            ..Tally::default()
        };
        RankingScore { ranking, clean: tally(10), disturbed: tally(found) }
    }

    #[test]
    fn the_sentences_follow_the_numbers_whichever_way_they_go() {
        let plain = [
            score(Ranking::Metric(Metric::L2), 3, 0.01),
            score(Ranking::Metric(Metric::Cosine), 3, 0.01),
            score(Ranking::Metric(Metric::Whitened), 5, 0.01),
        ];
        let with = |found| {
            let mut scores = plain.to_vec();
            scores.push(score(Ranking::Tmm, found, 0.5));
            conclusions(&scores)
        };
        let behind = with(4);
        assert_eq!(
            behind[0],
            "Of 10 disturbed queries, whitened put the very glyph first for 5, the most of the plain metrics (l2 3, cosine 3)."
        );
        assert!(behind[1].contains("tmm did so for 4, behind whitened with 5"), "{}", behind[1]);
        assert!(behind[1].contains("cannot tell from chance"));
        assert!(behind[1].contains("50 times as long as whitened"));
        assert!(with(5)[1].contains("level with whitened"));
        let level = [plain[0].clone(), plain[1].clone()];
        assert_eq!(
            conclusions(&level),
            ["Of 10 disturbed queries, each of l2 and cosine put the very glyph first for 3."]
        );
        assert!(with(10)[1].contains("ahead of whitened with 5, which so few queries cannot tell"));
    }

    #[test]
    fn a_difference_beyond_chance_is_called_one() {
        let scores = [score(Ranking::Metric(Metric::Whitened), 1, 0.01), score(Ranking::Tmm, 9, 0.012)];
        let sentences = conclusions(&scores);
        assert!(
            sentences[1].contains("more than chance would explain (sign test, p = 0.008)"),
            "{}",
            sentences[1]
        );
        assert!(sentences[1].contains("about as long as whitened"));
    }
}
