use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::Canvas;
use crate::plot::frame::{Frame, TEXT};
use crate::plot::look::{Look, MOST_SERIES};
use crate::plot::{PlotError, labels, legend};

/// Size of the frame, in pixels.
const SIZE: (i32, i32) = (620, 400);
/// Most points, so that labels find a place.
const MOST_POINTS: usize = 200;

/// Points with labels, such as quality over cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// Above the plot.
    pub title: String,
    /// What lies to the right, with its unit.
    pub x_label: String,
    /// What lies upwards, with its unit.
    pub y_label: String,
    /// How x is laid out.
    pub x_scale: Scale,
    /// Kinds of points, at most [`MOST_SERIES`](crate::MOST_SERIES): each has a colour and marker.
    pub kinds: Vec<String>,
    /// The points.
    pub points: Vec<ScatterPoint>,
}

/// A point with its label.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterPoint {
    /// Beside the point.
    pub label: String,
    /// Its kind, an index into [`Scatter::kinds`]; one that is not there looks like the last.
    pub kind: usize,
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// The interval of y, low and high, shown as a bar.
    pub interval: Option<(f64, f64)>,
}

impl Scatter {
    /// The plot as an SVG document.
    ///
    /// # Errors
    ///
    /// [`PlotError`] when there is no point, when there are too many kinds or points, or when a number is not finite, or
    /// not positive on a logarithmic axis.
    pub fn to_svg(&self) -> Result<String, PlotError> {
        self.check()?;
        let x = Axis::holding(self.points.iter().map(|point| point.x), self.x_scale, 8);
        let ends = self.points.iter().flat_map(|point| {
            let (low, high) = point.interval.unwrap_or((point.y, point.y));
            [point.y, low, high]
        });
        let y = Axis::holding(ends, Scale::Linear, 6);

        let names: Vec<&str> = self.kinds.iter().map(String::as_str).collect();
        let frame = Frame::new(SIZE.0, SIZE.1.max(legend::height(&names)), x, y);
        let mut svg = String::new();
        let width = frame.canvas_width(&self.title, legend::width(&names));
        let canvas = Canvas::new(&mut svg, width, frame.canvas_height())?;
        frame.draw(&canvas, &self.title, [&self.x_label, &self.y_label])?;
        let look = |point: &ScatterPoint| Look::of(point.kind.min(self.kinds.len().saturating_sub(1)));
        for point in &self.points {
            if let Some((low, high)) = point.interval {
                let ends = vec![frame.place(point.x, low), frame.place(point.x, high)];
                canvas.line(ends, look(point).colour(), 1)?;
            }
        }
        let markers: Vec<_> = self.points.iter().map(|point| frame.place(point.x, point.y)).collect();
        for (point, marker) in self.points.iter().zip(&markers) {
            look(point).marker(&canvas, *marker)?;
        }
        let texts: Vec<&str> = self.points.iter().map(|point| point.label.as_str()).collect();
        for (text, placed) in texts.iter().zip(labels::place(&markers, &texts, &frame)) {
            canvas.text(text, placed.at, TEXT, placed.anchor)?;
        }
        legend::draw(&canvas, &frame, &names, |look, [from, to]| {
            look.marker(&canvas, (i32::midpoint(from.0, to.0), from.1))
        })?;
        canvas.finish()?;
        Ok(svg)
    }

    fn check(&self) -> Result<(), PlotError> {
        let title = || self.title.clone();
        if self.points.is_empty() {
            return Err(PlotError::Empty { title: title() });
        }
        for (what, found, most) in
            [("kinds", self.kinds.len(), MOST_SERIES), ("points", self.points.len(), MOST_POINTS)]
        {
            if found > most {
                return Err(PlotError::TooMany { title: title(), what, found, most });
            }
        }
        for ScatterPoint { label, x, y, interval, .. } in &self.points {
            let (low, high) = interval.unwrap_or((*y, *y));
            if ![x, y, &low, &high].into_iter().all(|value| value.is_finite()) {
                return Err(PlotError::NotFinite { title: title(), name: label.clone() });
            }
            if self.x_scale == Scale::Logarithmic && *x <= 0.0 {
                return Err(PlotError::NotPositive { title: title(), name: label.clone(), found: *x });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::plot) fn plot() -> Scatter {
        let point = |label: &str, kind, x, y: f64| {
            let interval = Some((y - 0.04, y + 0.04));
            ScatterPoint { label: label.to_owned(), kind, x, y, interval }
        };
        Scatter {
            title: "Quality and cost".to_owned(),
            x_label: "time per query (ms, logarithmic)".to_owned(),
            y_label: "mean self-retrieval at 1".to_owned(),
            x_scale: Scale::Logarithmic,
            kinds: ["plain metric", "control", "TMM"].map(str::to_owned).to_vec(),
            points: vec![
                point("L2", 0, 1.1, 0.31),
                point("cosine", 0, 1.2, 0.41),
                point("whitened cosine", 0, 1.4, 0.54),
                point("Mahalanobis", 0, 1.5, 0.53),
                point("noise-averaged x 16", 1, 40.0, 0.62),
                point("best of 16 copies", 1, 44.0, 0.70),
                point("TMM shared", 2, 60.0, 0.71),
                point("TMM cascade", 2, 900.0, 0.73),
                point("TMM exact", 2, 30_000.0, 0.72),
            ],
        }
    }

    #[test]
    fn every_label_is_in_the_document() {
        let svg = plot().to_svg().unwrap();
        assert!(plot().points.iter().all(|point| svg.contains(&point.label)));
        assert!(plot().kinds.iter().all(|kind| svg.contains(kind)));
    }

    #[test]
    fn labels_of_crowded_points_do_not_cover_each_other() {
        let frame = Frame::new(
            SIZE.0,
            SIZE.1,
            Axis::holding([0.0, 1.0].into_iter(), Scale::Linear, 5),
            Axis::holding([0.0, 1.0].into_iter(), Scale::Linear, 5),
        );
        let markers = [(300, 200), (304, 203), (310, 196), (302, 210)];
        let labels = ["alpha", "beta", "gamma", "delta"];
        let rows: Vec<_> =
            labels::place(&markers, &labels, &frame).into_iter().map(|p| (p.at, p.anchor)).collect();
        for (at, (place, anchor)) in rows.iter().enumerate() {
            let clear = |other: &((i32, i32), _)| other.1 != *anchor || (other.0.1 - place.1).abs() >= TEXT;
            assert!(rows[..at].iter().all(clear), "{rows:?}");
        }
    }

    #[test]
    fn a_cost_of_nothing_has_no_logarithm() {
        let mut free = plot();
        free.points[0].x = 0.0;
        let error = free.to_svg().unwrap_err();
        assert!(matches!(error, PlotError::NotPositive { .. }), "{error}");
        assert!(Scatter { x_scale: Scale::Linear, ..free }.to_svg().is_ok());
    }
}
