use serde::Serialize;

use crate::judge::Answer;

/// What both orders of a pair together say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The first contestant's list was chosen in both orders.
    Win,
    /// The second contestant's was.
    Loss,
    /// A tie in at least one order, and no abstention.
    Tie,
    /// The same row was chosen in both orders: its place decided, not its images. Counts as a tie.
    ByPlace,
    /// Both lists hold the same images. Counts as a tie, and nobody is asked.
    SameSet,
    /// At least one order got no answer that can be understood. Counts for nobody.
    Abstained,
}

impl Verdict {
    /// The verdict of the answers to [`Order::ALL`](crate::Order::ALL).
    pub fn of(answers: [Answer; 2]) -> Self {
        match answers {
            [Answer::Abstain, _] | [_, Answer::Abstain] => Self::Abstained,
            [Answer::Tie, _] | [_, Answer::Tie] => Self::Tie,
            [Answer::A, Answer::B] => Self::Win,
            [Answer::B, Answer::A] => Self::Loss,
            [Answer::A, Answer::A] | [Answer::B, Answer::B] => Self::ByPlace,
        }
    }

    /// What it is worth to the first contestant: 1 for a win, 0 for a loss, a half for a tie; `None` for an abstention.
    pub fn worth(self) -> Option<f64> {
        match self {
            Self::Win => Some(1.0),
            Self::Loss => Some(0.0),
            Self::Tie | Self::ByPlace | Self::SameSet => Some(0.5),
            Self::Abstained => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_wins_only_if_it_is_chosen_in_both_orders() {
        use Answer::{A, Abstain, B, Tie};
        assert_eq!(Verdict::of([A, B]), Verdict::Win);
        assert_eq!(Verdict::of([B, A]), Verdict::Loss);
        for (answers, verdict) in [
            ([A, A], Verdict::ByPlace),
            ([B, B], Verdict::ByPlace),
            ([A, Tie], Verdict::Tie),
            ([Tie, A], Verdict::Tie),
            ([Tie, Tie], Verdict::Tie),
        ] {
            assert_eq!((Verdict::of(answers), verdict.worth()), (verdict, Some(0.5)));
        }
        for answers in [[Abstain, A], [B, Abstain], [Abstain, Abstain], [Tie, Abstain]] {
            assert_eq!(Verdict::of(answers).worth(), None);
        }
    }
}
