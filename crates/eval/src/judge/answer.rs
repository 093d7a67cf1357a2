use serde::{Deserialize, Serialize};

use crate::judge::{JudgeError, Question};

/// What a judge says of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Row A shows images more like the query.
    A,
    /// Row B does.
    B,
    /// Neither does.
    Tie,
    /// The judge said something else than it was asked for.
    Abstain,
}

impl Answer {
    /// Reads a reply, strictly: one JSON object with an `answer` that is `"A"`, `"B"` or `"tie"` and a `reason` that is
    /// a text, nothing before it, behind it or beside it. Everything else is [`Answer::Abstain`]: an answer is never
    /// guessed from what sounds like one.
    pub fn of(reply: &str) -> Self {
        if !reply.trim_start().starts_with('{') {
            return Self::Abstain;
        }
        match serde_json::from_str::<Words>(reply) {
            Ok(Words { answer: Said::A, .. }) => Self::A,
            Ok(Words { answer: Said::B, .. }) => Self::B,
            Ok(Words { answer: Said::Tie, .. }) => Self::Tie,
            Err(_) => Self::Abstain,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    answer: Said,
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Deserialize)]
enum Said {
    A,
    B,
    #[serde(rename = "tie")]
    Tie,
}

/// What came back for a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The reply, word for word.
    pub text: String,
    /// Tokens of the question, picture included, where the judge says so.
    pub tokens_in: Option<u64>,
    /// Tokens of the reply.
    pub tokens_out: Option<u64>,
}

/// Who looks at pictures and says which row is more like the query.
pub trait Judge {
    /// Its name, which its answers are kept under.
    fn name(&self) -> &str;

    /// Shows it a picture.
    ///
    /// # Errors
    ///
    /// [`JudgeError::Unanswered`] when no reply came; a reply that makes no sense is no error.
    fn ask(&self, question: &Question) -> Result<Reply, JudgeError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_object_that_was_asked_for_is_an_answer() {
        assert_eq!(Answer::of(r#"{"answer": "A", "reason": "rounder"}"#), Answer::A);
        assert_eq!(Answer::of("\n {\"reason\":\"\",\"answer\":\"B\"} \n"), Answer::B);
        assert_eq!(Answer::of(r#"{"answer": "tie", "reason": "alike"}"#), Answer::Tie);
        for other in [
            "",
            "A",
            "B is better",
            r#"{"answer": "a", "reason": ""}"#,
            r#"{"answer": "Tie", "reason": ""}"#,
            r#"{"answer": "A"}"#,
            r#"{"answer": "A", "reason": null}"#,
            r#"{"answer": "A", "reason": "", "answer": "B"}"#,
            r#"{"answer": "A", "reason": "", "confidence": 1}"#,
            r#"["A", "as an array"]"#,
            r#"[{"answer": "A", "reason": ""}]"#,
            r#"{"answer": "A", "reason": ""} or B"#,
            "```json\n{\"answer\": \"A\", \"reason\": \"\"}\n```",
            r#"{"answer": "A", "reason": "cut sho"#,
        ] {
            assert_eq!(Answer::of(other), Answer::Abstain, "{other}");
        }
    }
}
