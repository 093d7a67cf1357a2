use std::fmt;
use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

use crate::{DatasetError, Samples, Split, cifar10, cifar100, gtsrb, mnist, svhn};

/// The data sets that can be read by name.
///
/// # Examples
///
/// ```
/// use lookalike_datasets::DatasetKind;
///
/// let kind: DatasetKind = "cifar10".parse()?;
/// assert_eq!(kind, DatasetKind::Cifar10);
/// # Ok::<(), lookalike_datasets::UnknownDataset>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DatasetKind {
    /// See [`mnist`].
    Mnist,
    /// See [`cifar10`].
    Cifar10,
    /// See [`cifar100`].
    Cifar100,
    /// See [`gtsrb`].
    Gtsrb,
    /// See [`svhn`].
    Svhn,
}

impl DatasetKind {
    /// All of them, in the order of help texts.
    pub const ALL: [Self; 5] = [Self::Mnist, Self::Cifar10, Self::Cifar100, Self::Gtsrb, Self::Svhn];

    /// The name as it is typed, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Gtsrb => "gtsrb",
            Self::Svhn => "svhn",
        }
    }
}

/// The name.
impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DatasetKind {
    type Err = UnknownDataset;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| UnknownDataset { name: name.to_owned() })
    }
}

/// There is no data set of this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no data set \"{name}\"; known are {}", DatasetKind::ALL.map(DatasetKind::name).join(", "))]
pub struct UnknownDataset {
    /// The name given.
    pub name: String,
}

/// Opens the data set of a kind that was unpacked into `folder`.
///
/// # Errors
///
/// As the kind's own function.
pub fn open(kind: DatasetKind, folder: &Path, split: Split) -> Result<Samples, DatasetError> {
    match kind {
        DatasetKind::Mnist => mnist(folder, split),
        DatasetKind::Cifar10 => cifar10(folder, split),
        DatasetKind::Cifar100 => cifar100(folder, split),
        DatasetKind::Gtsrb => gtsrb(folder, split),
        DatasetKind::Svhn => svhn(folder, split),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_and_others_are_refused() {
        for kind in DatasetKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let error = "imagenet".parse::<DatasetKind>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no data set \"imagenet\"; known are mnist, cifar10, cifar100, gtsrb, svhn"
        );
    }
}
