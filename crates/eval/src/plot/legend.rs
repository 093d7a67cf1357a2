use crate::plot::PlotError;
use crate::plot::canvas::{Anchor, Canvas, width_of};
use crate::plot::frame::{Frame, GAP, TEXT};
use crate::plot::look::Look;

/// Length of a sample of a line, in pixels.
const SAMPLE: i32 = 30;
/// Height of an entry, in pixels.
const ENTRY: i32 = 22;

/// Pixels beside the frame that the names take.
pub(super) fn width(names: &[&str]) -> i32 {
    let widest = names.iter().map(|name| width_of(name, TEXT)).max().unwrap_or(0);
    2 * GAP + SAMPLE + widest
}

/// Pixels that the names take from the top of the frame.
pub(super) fn height(names: &[&str]) -> i32 {
    names.iter().map(|_| ENTRY).sum()
}

/// The names beside the frame, never over data; `sample` draws what stands for a series from a place to another.
pub(super) fn draw(
    canvas: &Canvas<'_>,
    frame: &Frame,
    names: &[&str],
    sample: impl Fn(Look, [(i32, i32); 2]) -> Result<(), PlotError>,
) -> Result<(), PlotError> {
    let left = frame.right() + 2 * GAP;
    let middles = (0..).map(|at| frame.top + ENTRY * at + ENTRY / 2);
    for ((number, name), middle) in names.iter().enumerate().zip(middles) {
        sample(Look::of(number), [(left, middle), (left + SAMPLE, middle)])?;
        canvas.text(name, (left + SAMPLE + GAP, middle), TEXT, Anchor::Start)?;
    }
    Ok(())
}
