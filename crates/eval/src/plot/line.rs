use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::Canvas;
use crate::plot::frame::Frame;
use crate::plot::look::{Look, MOST_SERIES};
use crate::plot::{PlotError, legend};

/// Size of the frame, in pixels.
const SIZE: (i32, i32) = (560, 360);
/// Most points of one series.
const MOST_POINTS: usize = 10_000;

/// Curves over a quantity, such as retrieval over the strength of a disturbance.
#[derive(Debug, Clone, PartialEq)]
pub struct LinePlot {
    /// Above the plot.
    pub title: String,
    /// What lies to the right, with its unit.
    pub x_label: String,
    /// What lies upwards, with its unit.
    pub y_label: String,
    /// How x is laid out.
    pub x_scale: Scale,
    /// The range of y that is shown in any case, so that plots can be compared; points beyond it widen it.
    pub y_range: Option<(f64, f64)>,
    /// The curves, at most [`MOST_SERIES`](crate::MOST_SERIES).
    pub series: Vec<LineSeries>,
}

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct LineSeries {
    /// Its name in the legend.
    pub name: String,
    /// Its points, joined in this order.
    pub points: Vec<LinePoint>,
}

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinePoint {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// The interval of y, low and high, shown as a band between neighbouring points that have one.
    pub band: Option<(f64, f64)>,
}

impl LinePlot {
    /// The plot as an SVG document. Each series has a colour, marker and line of its own; the legend is beside the data.
    ///
    /// # Errors
    ///
    /// [`PlotError`] when there is no point, when there are too many series or points, or when a number is not finite, or
    /// not positive on a logarithmic axis.
    pub fn to_svg(&self) -> Result<String, PlotError> {
        self.check()?;
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Axis::holding(points().map(|point| point.x), self.x_scale, 8);
        let bands = points().filter_map(|point| point.band).chain(self.y_range);
        let heights = points().map(|point| point.y).chain(bands.flat_map(|(low, high)| [low, high]));
        let y = Axis::holding(heights, Scale::Linear, 6);

        let names: Vec<&str> = self.series.iter().map(|series| series.name.as_str()).collect();
        let frame = Frame::new(SIZE.0, SIZE.1.max(legend::height(&names)), x, y);
        let mut svg = String::new();
        let width = frame.canvas_width(&self.title, legend::width(&names));
        let canvas = Canvas::new(&mut svg, width, frame.canvas_height())?;
        frame.draw(&canvas, &self.title, [&self.x_label, &self.y_label])?;
        for (number, series) in self.series.iter().enumerate() {
            series.draw_bands(&canvas, &frame, Look::of(number))?;
        }
        for (number, series) in self.series.iter().enumerate() {
            series.draw(&canvas, &frame, Look::of(number))?;
        }
        legend::draw(&canvas, &frame, &names, |look, [from, to]| {
            stroke(&canvas, look, vec![from, to])?;
            look.marker(&canvas, (i32::midpoint(from.0, to.0), from.1))
        })?;
        canvas.finish()?;
        Ok(svg)
    }

    fn check(&self) -> Result<(), PlotError> {
        let title = || self.title.clone();
        let points = self.series.iter().map(|series| series.points.len()).max().unwrap_or(0);
        if points == 0 {
            return Err(PlotError::Empty { title: title() });
        }
        for (what, found, most) in
            [("series", self.series.len(), MOST_SERIES), ("points in a series", points, MOST_POINTS)]
        {
            if found > most {
                return Err(PlotError::TooMany { title: title(), what, found, most });
            }
        }
        for LineSeries { name, points } in &self.series {
            for LinePoint { x, y, band } in points {
                let (low, high) = band.unwrap_or((*y, *y));
                if ![x, y, &low, &high].into_iter().all(|value| value.is_finite()) {
                    return Err(PlotError::NotFinite { title: title(), name: name.clone() });
                }
                if self.x_scale == Scale::Logarithmic && *x <= 0.0 {
                    return Err(PlotError::NotPositive { title: title(), name: name.clone(), found: *x });
                }
            }
        }
        match self.y_range {
            Some((low, high)) if !low.is_finite() || !high.is_finite() => {
                Err(PlotError::NotFinite { title: title(), name: "the range of y".to_owned() })
            }
            _ => Ok(()),
        }
    }
}

impl LineSeries {
    fn draw_bands(&self, canvas: &Canvas<'_>, frame: &Frame, look: Look) -> Result<(), PlotError> {
        for run in self.points.chunk_by(|a, b| a.band.is_some() == b.band.is_some()) {
            let edges = || run.iter().filter_map(|point| Some((point.x, point.band?)));
            let upper = edges().map(|(x, (_, high))| frame.place(x, high));
            let lower = edges().rev().map(|(x, (low, _))| frame.place(x, low));
            let outline: Vec<_> = upper.chain(lower).collect();
            if outline.len() > 2 {
                canvas.band(outline, look.colour())?;
            }
        }
        Ok(())
    }

    fn draw(&self, canvas: &Canvas<'_>, frame: &Frame, look: Look) -> Result<(), PlotError> {
        let places: Vec<_> = self.points.iter().map(|point| frame.place(point.x, point.y)).collect();
        stroke(canvas, look, places.clone())?;
        places.into_iter().try_for_each(|place| look.marker(canvas, place))
    }
}

fn stroke(canvas: &Canvas<'_>, look: Look, points: Vec<(i32, i32)>) -> Result<(), PlotError> {
    if look.second_round() {
        canvas.dashed(&points, look.colour(), 2)
    } else {
        canvas.line(points, look.colour(), 2)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::plot) fn plot() -> LinePlot {
        let curve = |name: &str, at: f64, fall: f64| {
            let points = (0..=10_i32).map(|step| {
                let x = f64::from(step) * 0.5;
                let y = (at - fall * x * x).clamp(0.0, 1.0);
                LinePoint { x, y, band: Some(((y - 0.06).max(0.0), (y + 0.06).min(1.0))) }
            });
            LineSeries { name: name.to_owned(), points: points.collect() }
        };
        LinePlot {
            title: "MNIST, self-retrieval at 1 under Gaussian noise".to_owned(),
            x_label: "norm of the noise (pixels 0 to 1)".to_owned(),
            y_label: "share of queries found at rank 1".to_owned(),
            x_scale: Scale::Linear,
            y_range: Some((0.0, 1.0)),
            series: vec![
                curve("L2", 1.0, 0.05),
                curve("cosine", 1.0, 0.043),
                curve("whitened cosine", 1.0, 0.03),
                curve("TMM <shared> & views", 0.99, 0.02),
                curve("k-reciprocal", 0.97, 0.034),
                curve("alpha expansion", 0.95, 0.025),
                curve("Mahalanobis", 0.9, 0.036),
                curve("random trigger", 0.87, 0.022),
                curve("noise-averaged", 0.83, 0.015),
            ],
        }
    }

    #[test]
    fn every_series_is_in_the_document_and_text_is_escaped() {
        let svg = plot().to_svg().unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("TMM &lt;shared&gt; &amp; views") && !svg.contains("<shared>"));
        assert!(plot().series.iter().skip(4).all(|series| svg.contains(&series.name)));
        assert_eq!(svg, plot().to_svg().unwrap());
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let empty = LinePlot { series: vec![], ..plot() };
        assert!(matches!(empty.to_svg(), Err(PlotError::Empty { .. })));
        let mut broken = plot();
        broken.series[2].points[3].y = f64::NAN;
        let error = broken.to_svg().unwrap_err();
        assert!(error.to_string().ends_with("not finite in \"whitened cosine\""), "{error}");
        let logarithmic = LinePlot { x_scale: Scale::Logarithmic, ..plot() };
        assert!(matches!(logarithmic.to_svg(), Err(PlotError::NotPositive { .. })));
        let mut many = plot();
        many.series = vec![many.series[0].clone(); MOST_SERIES + 1];
        assert!(matches!(many.to_svg(), Err(PlotError::TooMany { what: "series", .. })));
    }

    #[test]
    fn a_single_point_and_equal_points_can_be_shown() {
        let point = LinePoint { x: 2.0, y: 0.0, band: None };
        let series = LineSeries { name: "one\u{7}".to_owned(), points: vec![point, point] };
        let svg = LinePlot { series: vec![series], y_range: None, ..plot() }.to_svg().unwrap();
        assert!(!svg.contains('\u{7}'));
    }
}
