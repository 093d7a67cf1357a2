/// The feature rows of one query, by the name of the view.
///
/// # Examples
///
/// ```
/// use lookalike_plugin_api::{QueryRows, View};
///
/// let rows = QueryRows::default().with(View::CLEAN, vec![0.5, 2.0]);
/// assert_eq!(rows.get(View::CLEAN), Some([0.5, 2.0].as_slice()));
/// assert_eq!(rows.get("blurred"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueryRows {
    /// Few, so that looking through them is quick.
    rows: Vec<(String, Vec<f32>)>,
}

impl QueryRows {
    /// The same with the row in a view, in place of the one that it may have there.
    #[must_use]
    pub fn with(mut self, view: &str, row: Vec<f32>) -> Self {
        self.rows.retain(|(known, _)| known != view);
        self.rows.push((view.to_owned(), row));
        self
    }

    /// The row in a view; `None` if the host has not made it.
    pub fn get(&self, view: &str) -> Option<&[f32]> {
        self.rows.iter().find(|(known, _)| known == view).map(|(_, row)| row.as_slice())
    }
}
