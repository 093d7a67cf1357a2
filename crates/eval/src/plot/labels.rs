use crate::plot::canvas::{Anchor, Point, width_of};
use crate::plot::frame::{Frame, TEXT};
use crate::plot::look::REACH;

/// A label's place: where the text is anchored, and the rectangle that it covers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) at: Point,
    pub(super) anchor: Anchor,
    covers: [i32; 4],
}

/// A place for the label of every marker, one after the other, each beside its marker where it covers least of the frame's
/// edge, the markers, and the labels placed before it.
pub(super) fn place(markers: &[Point], labels: &[&str], frame: &Frame) -> Vec<Placed> {
    let mut placed: Vec<Placed> = Vec::with_capacity(labels.len());
    for (&marker, label) in markers.iter().zip(labels) {
        let cost = |candidate: &Placed| {
            let [left, top, right, bottom] = candidate.covers;
            let outside = (frame.left - left).max(0)
                + (right - frame.right()).max(0)
                + (frame.top - top).max(0)
                + (bottom - frame.bottom()).max(0);
            let around = |(x, y): &Point| [x - REACH - 1, y - REACH - 1, x + REACH + 1, y + REACH + 1];
            let on_markers: i32 = markers.iter().map(|other| shared(candidate.covers, around(other))).sum();
            let on_labels: i32 = placed.iter().map(|other| shared(candidate.covers, other.covers)).sum();
            100 * outside + on_markers + on_labels
        };
        // The first of equally good ones.
        if let Some(best) = candidates(marker, label).into_iter().min_by_key(cost) {
            placed.push(best);
        }
    }
    placed
}

fn candidates((x, y): Point, label: &str) -> Vec<Placed> {
    let (width, half) = (width_of(label, TEXT), TEXT / 2 + 1);
    let mut all = Vec::new();
    for lift in [0, 1, 2, 3] {
        let beside = REACH + 4;
        let rises = if lift == 0 { vec![0] } else { vec![-lift * (half + 3), lift * (half + 3)] };
        for rise in rises {
            let at = |x: i32, anchor: Anchor, left: i32| Placed {
                at: (x, y + rise),
                anchor,
                covers: [left, y + rise - half, left + width, y + rise + half],
            };
            all.push(at(x + beside, Anchor::Start, x + beside));
            all.push(at(x - beside, Anchor::End, x - beside - width));
            if lift > 1 {
                all.push(at(x, Anchor::Middle, x - width / 2));
            }
        }
    }
    all
}

/// The area that two rectangles share: left, top, right, bottom.
fn shared(a: [i32; 4], b: [i32; 4]) -> i32 {
    let across = a[2].min(b[2]) - a[0].max(b[0]);
    let down = a[3].min(b[3]) - a[1].max(b[1]);
    across.max(0) * down.max(0)
}
