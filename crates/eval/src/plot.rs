//! Plots as SVG: readable in grey, by the colour-blind, and without their colours.
//!
//! plotters draws; axes, legend and the places of labels are ours, because its legend lies over the data, its logarithmic
//! axes have labels at powers of ten or at all their multiples, and it places no labels beside points.

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
