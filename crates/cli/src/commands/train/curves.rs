//! Loss and accuracy over the epochs as a picture.

use lookalike_vision::EpochRecord;
use plotters::prelude::*;

const SIZE: (u32, u32) = (960, 420);

/// Blue and orange, which nobody takes for one another (Okabe and Ito 2008).
const COLOURS: [RGBColor; 2] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0)];

/// A value of the images that are learnt and of those that are not, by epoch.
type Curves = [Vec<(f64, f64)>; 2];

/// An SVG document with the loss on the left and the accuracy on the right.
pub(super) fn svg(title: &str, history: &[EpochRecord]) -> anyhow::Result<String> {
    let curves = |learnt: fn(&EpochRecord) -> f64, tried: fn(&EpochRecord) -> Option<f64>| -> Curves {
        let at = |record: &EpochRecord| record.epoch as f64;
        [
            history.iter().map(|record| (at(record), learnt(record))).collect(),
            history.iter().filter_map(|record| Some((at(record), tried(record)?))).collect(),
        ]
    };
    let loss = curves(|r| f64::from(r.loss), |r| r.validation.map(|v| v.loss));
    let accuracy = curves(|r| 100.0 * f64::from(r.accuracy), |r| r.validation.map(|v| 100.0 * v.accuracy));
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let area = root.titled(title, ("sans-serif", 20))?;
    let [left, right] = [0, 1].map(|side| area.split_evenly((1, 2))[side].clone());
    // A loss begins at zero; an accuracy fills its chart, because the last percent counts.
    let above = |curves: &Curves| curves.iter().flatten().map(|point| point.1).fold(0.0, f64::max);
    let below = |curves: &Curves| curves.iter().flatten().map(|point| point.1).fold(100.0, f64::min);
    chart(&left, "loss (nats)", &loss, [0.0, above(&loss).max(1e-3) * 1.05])?;
    chart(&right, "accuracy (%)", &accuracy, [(below(&accuracy) - 1.0).max(0.0), 100.0])?;
    root.present()?;
    drop((left, right, area, root));
    Ok(svg)
}

fn chart(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    quantity: &str,
    curves: &Curves,
    [least, most]: [f64; 2],
) -> anyhow::Result<()> {
    let last = curves[0].len().max(2);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(1.0..last as f64, least..most)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc(quantity)
        .x_labels(last.min(12))
        .x_label_formatter(&|epoch| if epoch.fract() == 0.0 { format!("{epoch}") } else { String::new() })
        .light_line_style(TRANSPARENT)
        .label_style(("sans-serif", 13))
        .draw()?;
    for ((points, colour), name) in curves.iter().zip(COLOURS).zip(["learnt images", "validation images"]) {
        if points.is_empty() {
            continue;
        }
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3);
        let key = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2));
        chart.draw_series(line)?.label(name).legend(key);
    }
    let corner = if least > 0.0 { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight };
    let mut legend = chart.configure_series_labels();
    legend.position(corner).background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    Ok(())
}
