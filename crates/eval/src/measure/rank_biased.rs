use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::measure::MeasureError;

/// A usual persistence: the first ten places carry some 86 % of the weight.
pub const DEFAULT_PERSISTENCE: f64 = 0.9;

/// Places whose weight all together is below this are taken to agree as the last one that was looked at.
const LEAST_WEIGHT: f64 = 1e-12;

/// Rank-biased overlap of two lists, aware of ties: 1 for the same ranking, 0 for lists without a common entry.
///
/// RBO (Webber, Moffat and Zobel 2010) is `(1 - p) * sum over d of p^(d-1) A_d`, where the agreement `A_d` is the share
/// of the first d places that both lists have, and the persistence `p` is how likely a reader goes on to the next
/// place: the mean number of places read is 1 / (1 - p). Beyond the lists' end the last agreement goes on (their
/// `RBO_ext` for lists of one length).
///
/// Entries of equal score have no order. As in RBO^a (Corsi and Urbano 2024, "The Treatment of Ties in Rank-Biased
/// Overlap"), `A_d` is its mean over all orders of the ties in either list: an entry whose group takes the places
/// t+1 ..= t+n is among the first d with probability `c = clamp((d - t) / n, 0, 1)`, and
/// `A_d = (sum over entries of c_first * c_second) / d`. A list of one large tie therefore agrees with itself only as
/// much as two shuffles of it would.
///
/// Lists hold ids and scores, larger first. A list that was cut should be cut where a group ends.
///
/// # Errors
///
/// [`MeasureError`] when the lists are empty or of different lengths, unsorted or not numbers, when one names an id
/// twice, or when `persistence` is not between 0 and 1.
pub fn rank_biased_overlap(
    first: &[(u32, f32)],
    second: &[(u32, f32)],
    persistence: f64,
) -> Result<f64, MeasureError> {
    if !(persistence > 0.0 && persistence < 1.0) {
        return Err(MeasureError::Persistence { found: persistence });
    }
    if first.len() != second.len() {
        return Err(MeasureError::Lengths { first: first.len(), second: second.len() });
    }
    let (first, second) = (groups(first)?, groups(second)?);
    let places: HashMap<u32, Group> = second.into_iter().collect();
    // In the order of the first list, so that those not reached at some depth are at the end.
    let shared: Vec<(Group, Group)> =
        first.iter().filter_map(|(id, group)| Some((*group, *places.get(id)?))).collect();
    let (mut sum, mut weight, mut agreement) = (0.0, 1.0, 0.0);
    for depth in 1..=first.len() {
        let reached = shared.iter().take_while(|(group, _)| group.before < depth);
        let common: f64 = reached.map(|(a, b)| a.share_within(depth) * b.share_within(depth)).sum();
        agreement = common / depth as f64;
        sum += (1.0 - persistence) * weight * agreement;
        weight *= persistence;
        if weight < LEAST_WEIGHT {
            break;
        }
    }
    Ok((sum + weight * agreement).min(1.0))
}

/// The places of entries of one score.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// Entries of larger score.
    before: usize,
    /// Entries of this score.
    size: usize,
}

impl Group {
    /// The probability that an entry of the group is among the first `depth`.
    fn share_within(self, depth: usize) -> f64 {
        let within = depth.saturating_sub(self.before).min(self.size);
        within as f64 / self.size as f64
    }
}

/// Every id with its group, in the list's order.
fn groups(list: &[(u32, f32)]) -> Result<Vec<(u32, Group)>, MeasureError> {
    if list.is_empty() {
        return Err(MeasureError::Empty);
    }
    if let Some(position) = list.iter().position(|(_, score)| score.is_nan()) {
        return Err(MeasureError::NotANumber { position });
    }
    if let Some(position) = list.windows(2).position(|pair| pair[1].1 > pair[0].1) {
        return Err(MeasureError::Unsorted { position: position + 1 });
    }
    let mut seen = HashSet::with_capacity(list.len());
    if let Some((id, _)) = list.iter().find(|(id, _)| !seen.insert(*id)) {
        return Err(MeasureError::Repeated { id: *id });
    }
    let mut placed = Vec::with_capacity(list.len());
    for tied in list.chunk_by(|a, b| a.1.partial_cmp(&b.1) == Some(Ordering::Equal)) {
        let group = Group { before: placed.len(), size: tied.len() };
        placed.extend(tied.iter().map(|(id, _)| (*id, group)));
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn falling(ids: &[u32]) -> Vec<(u32, f32)> {
        ids.iter().zip(0_u16..).map(|(id, place)| (*id, -f32::from(place))).collect()
    }

    fn rbo(first: &[(u32, f32)], second: &[(u32, f32)], p: f64) -> f64 {
        rank_biased_overlap(first, second, p).unwrap()
    }

    #[test]
    fn the_same_list_agrees_wholly_and_foreign_lists_do_not() {
        let list = falling(&[4, 8, 1, 9]);
        assert!((rbo(&list, &list, 0.9) - 1.0).abs() < 1e-12);
        assert!(rbo(&list, &falling(&[10, 11, 12, 13]), 0.9).abs() < 1e-12);
    }

    #[test]
    fn lists_without_ties_give_the_value_by_hand() {
        // a b c and b a d: agreements 0, 1, 2/3. p = 0.5: 0.5 * (0 + 0.5 + 0.25 * 2/3) + 0.125 * 2/3 = 5/12.
        let value = rbo(&falling(&[1, 2, 3]), &falling(&[2, 1, 4]), 0.5);
        assert!((value - 5.0 / 12.0).abs() < 1e-12, "{value}");
    }

    #[test]
    fn ties_give_the_mean_over_all_their_orders() {
        // (a b) c against a b c: either order of the tie is as likely, and p = 0.5.
        let tied = [(1, 2.0), (2, 2.0), (3, 1.0)];
        let plain = falling(&[1, 2, 3]);
        let mean = f64::midpoint(rbo(&plain, &plain, 0.5), rbo(&falling(&[2, 1, 3]), &plain, 0.5));
        assert!((rbo(&tied, &plain, 0.5) - mean).abs() < 1e-12);
        assert!((rbo(&plain, &tied, 0.5) - mean).abs() < 1e-12);
        // By hand: agreements 1/2, 1, 1: 0.5 * (0.5 + 0.5 + 0.25) + 0.125 = 3/4.
        assert!((mean - 0.75).abs() < 1e-12);
    }

    #[test]
    fn one_large_tie_agrees_with_itself_as_two_shuffles_do() {
        // Four entries: at depth d each is there in both with probability (d/4)^2, so A_d = d/4.
        let tie = [(1, 0.0), (2, 0.0), (3, 0.0), (4, -0.0)];
        // p = 0.5: 0.5 * (1/4 + 1/2 * 2/4 + 1/4 * 3/4 + 1/8 * 1) + 1/16 = 15/32.
        assert!((rbo(&tie, &tie, 0.5) - 15.0 / 32.0).abs() < 1e-12);
    }

    #[test]
    fn lists_that_are_no_rankings_are_refused() {
        let list = falling(&[1, 2]);
        let refused = |first: &[(u32, f32)], second: &[(u32, f32)]| {
            rank_biased_overlap(first, second, 0.9).unwrap_err()
        };
        assert_eq!(refused(&[], &[]), MeasureError::Empty);
        assert_eq!(refused(&list, &list[..1]), MeasureError::Lengths { first: 2, second: 1 });
        assert_eq!(refused(&list, &[(1, 0.0), (2, 1.0)]), MeasureError::Unsorted { position: 1 });
        assert_eq!(refused(&list, &[(1, 0.0), (1, 0.0)]), MeasureError::Repeated { id: 1 });
        assert_eq!(refused(&list, &[(1, 0.0), (2, f32::NAN)]), MeasureError::NotANumber { position: 1 });
        let error = rank_biased_overlap(&list, &list, 1.0).unwrap_err();
        assert_eq!(error, MeasureError::Persistence { found: 1.0 });
    }
}
