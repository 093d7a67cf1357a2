//! Plots as SVG: readable in grey, by the colour-blind, and without their colours.

mod axis;
mod bars;
mod canvas;
mod error;
mod frame;
mod labels;
mod legend;
mod line;
mod look;
mod scatter;

pub use axis::Scale;
pub use bars::{Bar, BarPlot, BarSeries};
pub use error::PlotError;
pub use line::{LinePlot, LinePoint, LineSeries};
pub use look::{MOST_SERIES, PALETTE};
pub use scatter::{Scatter, ScatterPoint};
