use crate::plot::PlotError;
use crate::plot::axis::Axis;
use crate::plot::canvas::{Anchor, Canvas, FAINT, INK, Point, width_of};

/// Size of titles and of all other text, in pixels.
pub(super) const TITLE: i32 = 17;
pub(super) const TEXT: i32 = 13;

/// Pixels between things.
pub(super) const GAP: i32 = 10;

/// The rectangle in which data lie, with its axes.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Frame {
    /// The frame with room for title and labels around it.
    pub(super) fn new(width: i32, height: i32, x: Axis, y: Axis) -> Self {
        let left = TEXT + 3 * GAP + y.label_width(TEXT);
        Self { left, top: TITLE + 3 * GAP, width, height, x, y }
    }

    pub(super) fn right(&self) -> i32 {
        self.left + self.width
    }

    pub(super) fn bottom(&self) -> i32 {
        self.top + self.height
    }

    /// Height of the canvas that holds the frame and what is under it.
    pub(super) fn canvas_height(&self) -> i32 {
        self.bottom() + 2 * TEXT + 4 * GAP
    }

    /// Width of the canvas that holds the frame, what is beside it, and the title.
    pub(super) fn canvas_width(&self, title: &str, beside: i32) -> i32 {
        (self.right() + beside + 2 * GAP).max(self.left + width_of(title, TITLE) + GAP)
    }

    /// The place of a pair of numbers.
    pub(super) fn place(&self, x: f64, y: f64) -> Point {
        let right = (f64::from(self.width) * self.x.share(x)).round() as i32;
        let up = (f64::from(self.height) * self.y.share(y)).round() as i32;
        (self.left + right, self.bottom() - up)
    }

    pub(super) fn draw(
        &self,
        canvas: &Canvas<'_>,
        title: &str,
        [x_label, y_label]: [&str; 2],
    ) -> Result<(), PlotError> {
        canvas.text(title, (self.left, GAP + TITLE / 2 + 2), TITLE, Anchor::Start)?;
        self.draw_below(canvas, x_label)?;
        for (value, label) in &self.y.ticks {
            let down = self.bottom() - (f64::from(self.height) * self.y.share(*value)).round() as i32;
            canvas.line(vec![(self.left, down), (self.right(), down)], FAINT, 1)?;
            canvas.text(label, (self.left - GAP / 2, down), TEXT, Anchor::End)?;
        }
        canvas.upwards(y_label, (GAP + TEXT / 2, self.top + self.height / 2), TEXT)?;
        self.draw_edges(canvas)
    }

    /// The grid across, its labels and the label of the axis under it.
    pub(super) fn draw_below(&self, canvas: &Canvas<'_>, x_label: &str) -> Result<(), PlotError> {
        for (value, label) in &self.x.ticks {
            let across = self.left + (f64::from(self.width) * self.x.share(*value)).round() as i32;
            canvas.line(vec![(across, self.top), (across, self.bottom())], FAINT, 1)?;
            canvas.text(label, (across, self.bottom() + GAP + 2), TEXT, Anchor::Middle)?;
        }
        let middle = (self.left + self.width / 2, self.bottom() + TEXT + 3 * GAP);
        canvas.text(x_label, middle, TEXT, Anchor::Middle)
    }

    pub(super) fn draw_edges(&self, canvas: &Canvas<'_>) -> Result<(), PlotError> {
        let corners = vec![(self.left, self.top), (self.left, self.bottom()), (self.right(), self.bottom())];
        canvas.line(corners, INK, 1)
    }
}
