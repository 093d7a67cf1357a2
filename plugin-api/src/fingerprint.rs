use std::fmt;

/// A 256-bit digest, printed as hexadecimal. Which function makes it is up to whoever makes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
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
