use super::skeleton::{Bend, Stroke};
use lookalike_kernels::Random;

/// A point in pixels or unit coordinates.
type Point = (f64, f64);

/// Deviation of a drawn point from the skeleton's, in unit coordinates.
const JITTER: f64 = 0.045;
/// Deviation of the middle of a straight line from straight, in unit coordinates.
const BOW: f64 = 0.03;
/// Pieces between two points of a curve.
const PIECES: u32 = 6;

/// The line a shaky hand draws for `stroke`: a fine polyline in unit coordinates.
pub(super) fn draw(stroke: &Stroke, hand: &mut Random) -> Vec<Point> {
    let mut shaky = |p: &Point| {
        (p.0 + JITTER * hand.normal().clamp(-2.5, 2.5), p.1 + JITTER * hand.normal().clamp(-2.5, 2.5))
    };
    let points: Vec<Point> = stroke.points.iter().map(&mut shaky).collect();
    match stroke.bend {
        Bend::Smooth => curve(&points, false),
        Bend::Closed => curve(&points, true),
        Bend::Corners => {
            let mut line = Vec::new();
            for pair in points.windows(2) {
                let (a, b) = (pair[0], pair[1]);
                let bow = BOW * hand.normal().clamp(-2.5, 2.5);
                let middle = (
                    f64::midpoint(a.0, b.0) - bow * (b.1 - a.1),
                    f64::midpoint(a.1, b.1) + bow * (b.0 - a.0),
                );
                line.extend(curve(&[a, middle, b], false));
            }
            line
        }
    }
}

/// A Catmull-Rom curve through `points`.
fn curve(points: &[Point], closed: bool) -> Vec<Point> {
    let n = points.len();
    // Point `i + step - 1`, beyond the ends the first or last again.
    let at = |i: usize, step: usize| {
        points[if closed { (i + step + n - 1) % n } else { (i + step).saturating_sub(1).min(n - 1) }]
    };
    let spans = if closed { n } else { n - 1 };
    let mut line = vec![points[0]];
    for i in 0..spans {
        let (p0, p1, p2, p3) = (at(i, 0), at(i, 1), at(i, 2), at(i, 3));
        for piece in 1..=PIECES {
            let t = f64::from(piece) / f64::from(PIECES);
            let blend = |a: f64, b: f64, c: f64, d: f64| {
                0.5 * (2.0 * b
                    + (c - a) * t
                    + (2.0 * a - 5.0 * b + 4.0 * c - d) * t * t
                    + (3.0 * b - a - 3.0 * c + d) * t * t * t)
            };
            line.push((blend(p0.0, p1.0, p2.0, p3.0), blend(p0.1, p1.1, p2.1, p3.1)));
        }
    }
    line
}

/// Distance of `point` from the line piece between `a` and `b`.
pub(super) fn distance(point: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let square = dx * dx + dy * dy;
    let along = if square > 0.0 {
        (((point.0 - a.0) * dx + (point.1 - a.1) * dy) / square).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let (ex, ey) = (point.0 - a.0 - along * dx, point.1 - a.1 - along * dy);
    (ex * ex + ey * ey).sqrt()
}
