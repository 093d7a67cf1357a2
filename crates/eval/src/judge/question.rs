use lookalike_engine::encode_png;
use lookalike_plugin_api::{Digest, Image};
use serde::{Deserialize, Serialize};

use crate::judge::picture::picture;
use crate::judge::{JudgeError, Matchup, Pairing};
use crate::subject::{AskedFor, Subject};

/// What a judge is told once for all questions.
const INSTRUCTIONS: &str = "You compare sets of images by eye. The picture shows a query image on top and, below it, \
two rows of images that are called A and B. Decide which row, taken as a whole, shows images that look more like the \
query: first of all the same kind of thing, then alike in shape, pose, size, colour and style. The order of the images \
within a row does not matter, and it means nothing which row stands above the other. Say \"tie\" when neither row is \
clearly more like the query. Answer with exactly one JSON object and nothing else, without a code fence: \
{\"answer\": \"A\" or \"B\" or \"tie\", \"reason\": \"at most twenty words\"}";

/// Which list is row A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The first contestant's.
    FirstIsA,
    /// The second contestant's.
    FirstIsB,
}

impl Order {
    /// Both.
    pub const ALL: [Self; 2] = [Self::FirstIsA, Self::FirstIsB];
}

/// A picture with what is asked about it. It holds no name of a contestant and no word about what had happened to the
/// query.
///
/// The query is shown as it was before its disturbance: a ranking is to find what was meant, and a judge that saw the
/// noise might reward images for being as noisy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is said once, as a system message.
    pub instructions: String,
    /// What is said with the picture.
    pub text: String,
    /// The picture, as PNG.
    pub png: Vec<u8>,
    /// Digest of the words and the pixels: questions that have the same one are the same question.
    pub digest: Digest,
}

/// A question before its picture is packed.
pub(super) struct Draft {
    text: String,
    picture: Image,
}

impl Draft {
    /// The question about one pairing in one order.
    pub(super) fn of(
        subject: &Subject,
        matchup: &Matchup,
        pairing: &Pairing,
        order: Order,
    ) -> Result<Self, JudgeError> {
        let AskedFor { known, .. } = &subject.queries(matchup.protocol)[pairing.query];
        let [first, second] = pairing
            .lists
            .each_ref()
            .map(|list| list.iter().map(|place| &subject.exemplars[*place].image).collect::<Vec<&Image>>());
        let rows = match order {
            Order::FirstIsA => [&first[..], &second[..]],
            Order::FirstIsB => [&second[..], &first[..]],
        };
        let text = format!(
            "The query is on top. Rows A and B have {} images each. Which row shows images more like the query?",
            first.len()
        );
        Ok(Self { text, picture: picture(&known.image, rows)? })
    }

    pub(super) fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("lookalike judge question 1");
        for part in [INSTRUCTIONS.as_bytes(), self.text.as_bytes(), self.picture.samples()] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        // Pictures of one area may differ in shape.
        hasher.update(&(self.picture.width() as u64).to_le_bytes());
        Digest(*hasher.finalize().as_bytes())
    }

    pub(super) fn question(self) -> Result<Question, JudgeError> {
        let digest = self.digest();
        let png = encode_png(&self.picture)?;
        Ok(Question { instructions: INSTRUCTIONS.to_owned(), text: self.text, png, digest })
    }
}

impl Question {
    /// Its words alone, as they are kept beside the answers.
    pub(super) fn words(&self) -> String {
        format!("system:\n{}\n\nuser, with the picture:\n{}\n", self.instructions, self.text)
    }
}
