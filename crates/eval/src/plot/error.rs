use plotters::drawing::DrawingAreaErrorKind;
use thiserror::Error;

/// Why a plot cannot be drawn.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlotError {
    /// There is no point.
    #[error("the plot \"{title}\" has nothing to show; give it a point at least")]
    Empty {
        /// The plot's title.
        title: String,
    },
    /// There are more series, groups or points than can be told apart.
    #[error("the plot \"{title}\" has {found} {what}, {most} can be told apart; make several plots of it")]
    TooMany {
        /// The plot's title.
        title: String,
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A coordinate is NaN or infinite.
    #[error("the plot \"{title}\" has a value that is not finite in \"{name}\"")]
    NotFinite {
        /// The plot's title.
        title: String,
        /// The series or point.
        name: String,
    },
    /// A coordinate of a logarithmic axis is not positive.
    #[error("the plot \"{title}\" has {found} in \"{name}\" on a logarithmic axis; use a linear one")]
    NotPositive {
        /// The plot's title.
        title: String,
        /// The series or point.
        name: String,
        /// The coordinate.
        found: f64,
    },
    /// A series of bars has another number of bars than there are groups.
    #[error("the plot \"{title}\" has {found} bars in \"{name}\" for {expected} groups; give one for each")]
    Bars {
        /// The plot's title.
        title: String,
        /// The series.
        name: String,
        /// Bars given.
        found: usize,
        /// Groups there are.
        expected: usize,
    },
    /// The drawing library failed.
    #[error("the plot cannot be drawn")]
    Draw(#[from] DrawingAreaErrorKind<std::io::Error>),
}
