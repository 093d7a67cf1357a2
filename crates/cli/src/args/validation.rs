use std::path::PathBuf;
use std::str::FromStr;

use super::typed::NotUnderstood;

/// What the network is tried on after each epoch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Validation {
    None,
    /// A share of the images, in 0..1.
    Share(f64),
    /// The test part of the data set.
    Test,
    Path(PathBuf),
}

impl FromStr for Validation {
    type Err = NotUnderstood;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.parse::<f64>()) {
            ("none", _) => Ok(Self::None),
            ("test", _) => Ok(Self::Test),
            (_, Ok(share)) if share > 0.0 && share < 1.0 => Ok(Self::Share(share)),
            (_, Ok(_)) => Err(NotUnderstood {
                found: text.to_owned(),
                expected: "a share between 0 and 1, \"test\", a path or \"none\"",
            }),
            (path, Err(_)) => Ok(Self::Path(path.into())),
        }
    }
}
