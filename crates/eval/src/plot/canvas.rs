use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform, IntoFont, RGBColor, ShapeStyle, WHITE};

use crate::plot::PlotError;

/// A place on the canvas in pixels from the top left: right, down.
pub(super) type Point = (i32, i32);

/// The colour of text and axes.
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);
/// The colour of the grid.
pub(super) const FAINT: RGBColor = RGBColor(225, 225, 225);

/// The backend divides the sizes of fonts by this.
const TEXT_SCALE: f64 = 1.24;

/// Mean width of a character as a share of the font size, rather too wide than too narrow.
const CHARACTER: f64 = 0.56;

/// Where a text lies of the place it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// White paper in pixels; what the plots draw with.
pub(super) struct Canvas<'a> {
    area: DrawingArea<plotters::backend::SVGBackend<'a>, Shift>,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(svg: &'a mut String, width: i32, height: i32) -> Result<Self, PlotError> {
        let size = (width.unsigned_abs(), height.unsigned_abs());
        let area = plotters::backend::SVGBackend::with_string(svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        Ok(Self { area })
    }

    pub(super) fn finish(self) -> Result<(), PlotError> {
        Ok(self.area.present()?)
    }

    pub(super) fn line(&self, points: Vec<Point>, colour: RGBColor, width: u32) -> Result<(), PlotError> {
        Ok(self.area.draw(&PathElement::new(points, colour.stroke_width(width)))?)
    }

    /// A line of dashes of 7 pixels with gaps of 5.
    pub(super) fn dashed(&self, points: &[Point], colour: RGBColor, width: u32) -> Result<(), PlotError> {
        let mut walked = 0.0;
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
            let length = dx.hypot(dy);
            let at = |way: f64| {
                let share = if length > 0.0 { way / length } else { 0.0 };
                (from.0 + (dx * share).round() as i32, from.1 + (dy * share).round() as i32)
            };
            let mut way = 0.0;
            while way < length {
                let phase = (walked + way) % 12.0;
                let (drawn, left) = if phase < 7.0 { (true, 7.0 - phase) } else { (false, 12.0 - phase) };
                let end = (way + left).min(length);
                if drawn {
                    self.line(vec![at(way), at(end)], colour, width)?;
                }
                way = end;
            }
            walked += length;
        }
        Ok(())
    }

    pub(super) fn band(&self, outline: Vec<Point>, colour: RGBColor) -> Result<(), PlotError> {
        Ok(self.area.draw(&Polygon::new(outline, colour.mix(0.12)))?)
    }

    pub(super) fn block(&self, corners: [Point; 2], colour: RGBColor, hollow: bool) -> Result<(), PlotError> {
        let style = if hollow { colour.stroke_width(2) } else { colour.filled() };
        Ok(self.area.draw(&Rectangle::new(corners, style))?)
    }

    pub(super) fn disc(
        &self,
        at: Point,
        radius: i32,
        colour: RGBColor,
        hollow: bool,
    ) -> Result<(), PlotError> {
        self.area.draw(&Circle::new(at, radius + 1, WHITE.filled()))?;
        let style: ShapeStyle = if hollow { colour.stroke_width(2) } else { colour.filled() };
        Ok(self.area.draw(&Circle::new(at, radius, style))?)
    }

    /// A shape filled with the colour, or with white where it is hollow.
    pub(super) fn shape(&self, outline: Vec<Point>, colour: RGBColor, hollow: bool) -> Result<(), PlotError> {
        let mut closed = outline.clone();
        closed.extend(outline.first().copied());
        let (inside, edge) = if hollow { (WHITE, colour) } else { (colour, WHITE) };
        self.area.draw(&Polygon::new(outline, inside.filled()))?;
        self.line(closed, edge, if hollow { 2 } else { 1 })
    }

    pub(super) fn text(&self, text: &str, at: Point, size: i32, anchor: Anchor) -> Result<(), PlotError> {
        self.lettered(text, at, size, anchor, FontTransform::None)
    }

    /// Text that reads upwards, in the middle of a height.
    pub(super) fn upwards(&self, text: &str, at: Point, size: i32) -> Result<(), PlotError> {
        self.lettered(text, at, size, Anchor::Middle, FontTransform::Rotate270)
    }

    fn lettered(
        &self,
        text: &str,
        at: Point,
        size: i32,
        anchor: Anchor,
        turn: FontTransform,
    ) -> Result<(), PlotError> {
        let place = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let font = ("sans-serif", f64::from(size) * TEXT_SCALE).into_font().transform(turn);
        let style = font.color(&INK).pos(Pos::new(place, VPos::Center));
        // XML has no control characters, escaped or not.
        let printable: String = text.chars().filter(|c| !c.is_control()).collect();
        Ok(self.area.draw_text(&printable, &style, at)?)
    }
}

/// About how many pixels wide a text is.
pub(super) fn width_of(text: &str, size: i32) -> i32 {
    (text.chars().count() as f64 * f64::from(size) * CHARACTER).ceil() as i32
}
