use std::fmt;

use crate::sha256::Sha256;

/// A 256-bit digest, printed as hexadecimal. Which function makes it is up to whoever makes it; [`Digest::of`] is one
/// at hand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// SHA-256 over the parts, each after its length in bytes as 64 bits, least significant byte first: `["ab", "c"]` and
    /// `["a", "bc"]` have different digests. Equal parts have equal digests on every machine and in every version.
    ///
    /// # Examples
    ///
    /// ```
    /// use lookalike_plugin_api::Digest;
    ///
    /// let view = Digest::of([b"blur".as_slice(), &1.5_f32.to_le_bytes()]);
    /// assert_eq!(view.short(), "c7a1b01f93f6");
    /// ```
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut sha = Sha256::new();
        for part in parts {
            sha.update(&(part.len() as u64).to_le_bytes());
            sha.update(part);
        }
        Self(sha.finish())
    }

    /// The first six bytes as twelve hexadecimal digits: enough to tell two models apart in a message.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Identity of an [`Embedder`](crate::Embedder): two embedders with equal fingerprints give equal features.
///
/// A collection stores the fingerprint that its rows were made with and refuses any other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// The model's name, for people.
    pub model: String,
    /// Digest of all weights.
    pub weights: Digest,
    /// Digest of everything that happens between the image and the network: size, channels, resampling,
    /// normalisation.
    pub preprocessing: Digest,
    /// Values in a feature row, at least 1.
    pub dimension: u32,
}

/// One line: name, dimension and the short digests, as error messages quote it.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" ({} values, weights {}, preprocessing {})",
            self.model,
            self.dimension,
            self.weights.short(),
            self.preprocessing.short()
        )
    }
}
