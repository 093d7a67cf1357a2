//! Which feature views a collection keeps beside the clean one, and how their rows are made.

mod complete;
mod declared;
mod status;

pub use complete::ViewsReport;
pub(crate) use declared::{DeclaredView, Served};
pub use declared::{DeriveError, MAX_DECLARED_VIEWS, ViewsError};
pub use status::ViewStatus;

/// What completes a view that lacks rows.
pub(crate) const COMPLETE: &str = "complete it with `lookalike view complete`";
/// What completes the clean view.
pub(crate) const COMPLETE_CLEAN: &str = "complete it with `lookalike rebuild`";

#[cfg(test)]
mod tests;
