use std::fmt;

use crate::Damage;

/// What walking through a collection found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Exemplars that there must be.
    pub exemplars: u64,
    /// Bytes of the images that are whole.
    pub image_bytes: u64,
    /// Feature rows that are whole, in all views of all models, with those of deleted exemplars that still wait to be
    /// removed.
    pub rows: u64,
    /// Number of the newest batch.
    pub batch: u64,
    /// The first [`VerifyReport::MAX_FINDINGS_KEPT`] findings.
    pub findings: Vec<Finding>,
    /// Number of findings.
    pub found: u64,
}

impl VerifyReport {
    /// Findings that a report keeps in full; further ones are counted.
    pub const MAX_FINDINGS_KEPT: usize = 1_000;

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.found == 0
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.found += 1;
        if self.findings.len() < Self::MAX_FINDINGS_KEPT {
            self.findings.push(finding);
        }
    }
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct Finding {
    /// What it costs.
    pub loss: Loss,
    /// What it is about, in words.
    pub subject: String,
    /// What is wrong with it.
    pub damage: Damage,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.subject, self.damage, self.loss)
    }
}

/// What a finding costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: it follows from the rest, and a repair makes it anew.
    Derived,
    /// Feature rows: the model can make them again from the image.
    Features,
    /// An exemplar.
    Exemplar,
    /// Nobody knows: what was there is not there to be looked at. What is missing for certain is a finding of its own.
    Unknown,
    /// Possibly everything in the collection.
    Collection,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Derived => "derived, a repair makes it anew",
            Self::Features => "features, the model can make them again",
            Self::Exemplar => "an exemplar is lost or incomplete",
            Self::Unknown => "what was there is not known",
            Self::Collection => "the collection cannot be read",
        })
    }
}
