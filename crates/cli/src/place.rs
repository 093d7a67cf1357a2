//! Where a command may put what it makes.

use std::path::Path;

use crate::whole_file::parent;

/// Refuses a place inside of the database that a command must not touch.
pub(crate) fn ensure_outside(database: &Path, place: &Path) -> anyhow::Result<()> {
    let inside = match (database.canonicalize(), parent(place).canonicalize()) {
        (Ok(database), Ok(folder)) => folder.starts_with(database),
        (Err(_), _) | (_, Err(_)) => false,
    };
    anyhow::ensure!(
        !inside,
        "{} lies in the database {}; choose another place",
        place.display(),
        database.display()
    );
    Ok(())
}
