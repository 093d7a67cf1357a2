use crate::plot::axis::{Axis, Scale};
use crate::plot::canvas::{Anchor, Canvas, INK, width_of};
use crate::plot::frame::{Frame, GAP, TEXT, TITLE};
use crate::plot::look::{Look, MOST_SERIES};
use crate::plot::{PlotError, legend};

/// Width of the frame, in pixels.
const WIDTH: i32 = 520;
/// Height of a bar, in pixels.
const BAR: i32 = 13;
/// Most groups of one plot.
const MOST_GROUPS: usize = 100;

/// Bars in groups, such as rankings under each corruption. They lie, so that the groups' names can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct BarPlot {
    /// Above the plot.
    pub title: String,
    /// What the bars measure, with its unit.
    pub x_label: String,
    /// The groups' names, from the top.
    pub groups: Vec<String>,
    /// The bars, one of each series in every group, at most [`MOST_SERIES`](crate::MOST_SERIES).
    pub series: Vec<BarSeries>,
}

/// The bars of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct BarSeries {
    /// Its name in the legend.
    pub name: String,
    /// One bar per group.
    pub bars: Vec<Bar>,
}

/// A bar from zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Where it ends.
    pub value: f64,
    /// The interval of the value, low and high, shown as a line.
    pub interval: Option<(f64, f64)>,
}

impl BarPlot {
    /// The plot as an SVG document. The bars of a group stand in the legend's order, each with its series' marker.
    ///
    /// # Errors
    ///
    /// [`PlotError`] when there is no bar, when there are too many groups or series, when a series has not one bar per
    /// group, or when a number is not finite.
    pub fn to_svg(&self) -> Result<String, PlotError> {
        self.check()?;
        let bars = || self.series.iter().flat_map(|series| &series.bars);
        let intervals = bars().filter_map(|bar| bar.interval).flat_map(|(low, high)| [low, high]);
        let ends: Vec<f64> = [0.0].into_iter().chain(bars().map(|bar| bar.value)).chain(intervals).collect();
        let x = Axis::holding(ends.iter().copied(), Scale::Linear, 7);
        let x = if ends.iter().any(|end| *end < 0.0) { x } else { x.starting_at_zero() };
        let y = Axis::holding([0.0, 1.0].into_iter(), Scale::Linear, 1);

        let names: Vec<&str> = self.series.iter().map(|series| series.name.as_str()).collect();
        let group_height = self.series.iter().map(|_| BAR).sum::<i32>() + GAP;
        let all_groups: i32 = self.groups.iter().map(|_| group_height).sum();
        let height = all_groups.max(legend::height(&names));
        let widest = self.groups.iter().map(|group| width_of(group, TEXT)).max().unwrap_or(0);
        let frame = Frame { left: widest + 2 * GAP, ..Frame::new(WIDTH, height, x, y) };
        let mut svg = String::new();
        let width = frame.canvas_width(&self.title, legend::width(&names));
        let canvas = Canvas::new(&mut svg, width, frame.canvas_height())?;
        canvas.text(&self.title, (frame.left, GAP + TITLE / 2 + 2), TITLE, Anchor::Start)?;
        frame.draw_below(&canvas, &self.x_label)?;
        let tops = (0..).map(|at| frame.top + group_height * at + GAP / 2);
        for ((number, group), top) in self.groups.iter().enumerate().zip(tops) {
            let middle = top + (group_height - GAP) / 2;
            canvas.text(group, (frame.left - GAP / 2, middle), TEXT, Anchor::End)?;
            let lines = (0..).map(|at| top + BAR * at);
            for ((place, series), down) in self.series.iter().enumerate().zip(lines) {
                series.bars[number].draw(&canvas, &frame, Look::of(place), down)?;
            }
        }
        let zero = frame.place(0.0, 0.0).0;
        canvas.line(vec![(zero, frame.top), (zero, frame.bottom())], INK, 1)?;
        canvas.line(vec![(frame.left, frame.bottom()), (frame.right(), frame.bottom())], INK, 1)?;
        legend::draw(&canvas, &frame, &names, |look, [from, to]| {
            let corners = [(from.0, from.1 - BAR / 2), (to.0, to.1 + BAR / 2)];
            canvas.block(corners, look.colour(), look.second_round())?;
            look.marker(&canvas, (i32::midpoint(from.0, to.0), from.1))
        })?;
        canvas.finish()?;
        Ok(svg)
    }

    fn check(&self) -> Result<(), PlotError> {
        let title = || self.title.clone();
        if self.groups.is_empty() || self.series.is_empty() {
            return Err(PlotError::Empty { title: title() });
        }
        for (what, found, most) in
            [("groups", self.groups.len(), MOST_GROUPS), ("series", self.series.len(), MOST_SERIES)]
        {
            if found > most {
                return Err(PlotError::TooMany { title: title(), what, found, most });
            }
        }
        for BarSeries { name, bars } in &self.series {
            if bars.len() != self.groups.len() {
                let (found, expected) = (bars.len(), self.groups.len());
                return Err(PlotError::Bars { title: title(), name: name.clone(), found, expected });
            }
            let (low, high) = (
                |bar: &Bar| bar.interval.map_or(bar.value, |i| i.0),
                |bar: &Bar| bar.interval.map_or(bar.value, |i| i.1),
            );
            if !bars.iter().all(|bar| [bar.value, low(bar), high(bar)].iter().all(|v| v.is_finite())) {
                return Err(PlotError::NotFinite { title: title(), name: name.clone() });
            }
        }
        Ok(())
    }
}

impl Bar {
    fn draw(&self, canvas: &Canvas<'_>, frame: &Frame, look: Look, top: i32) -> Result<(), PlotError> {
        let across = |value: f64| frame.place(value, 0.0).0;
        let (zero, end) = (across(0.0), across(self.value));
        let corners = [(zero.min(end), top + 1), (zero.max(end), top + BAR - 1)];
        canvas.block(corners, look.colour(), look.second_round())?;
        let middle = top + BAR / 2;
        if let Some((low, high)) = self.interval {
            canvas.line(vec![(across(low), middle), (across(high), middle)], INK, 2)?;
        }
        look.marker(canvas, (end, middle))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::plot) fn plot() -> BarPlot {
        let series = |name: &str, offset: f64| BarSeries {
            name: name.to_owned(),
            bars: (0..6_i32)
                .map(|group| {
                    let value = offset + 0.07 * f64::from(group % 4) - 0.03 * f64::from(group);
                    Bar { value, interval: Some((value - 0.05, value + 0.05)) }
                })
                .collect(),
        };
        BarPlot {
            title: "Self-retrieval at 1 by corruption, severity 3".to_owned(),
            x_label: "share of queries found at rank 1".to_owned(),
            groups: [
                "gaussian_noise",
                "defocus_blur",
                "frost",
                "fog",
                "elastic_transform",
                "jpeg_compression",
            ]
            .map(str::to_owned)
            .to_vec(),
            series: vec![series("L2", 0.35), series("whitened cosine", 0.55), series("TMM shared", 0.62)],
        }
    }

    #[test]
    fn groups_and_series_are_in_the_document() {
        let svg = plot().to_svg().unwrap();
        assert!(svg.contains("elastic_transform") && svg.contains("whitened cosine"));
    }

    #[test]
    fn bars_below_zero_can_be_shown_and_missing_ones_not() {
        let mut plot = plot();
        plot.series[1].bars[0].value = -0.4;
        assert!(plot.to_svg().is_ok());
        plot.series[1].bars.pop();
        assert!(matches!(plot.to_svg(), Err(PlotError::Bars { found: 5, expected: 6, .. })));
        plot.groups.clear();
        assert!(matches!(plot.to_svg(), Err(PlotError::Empty { .. })));
    }
}
