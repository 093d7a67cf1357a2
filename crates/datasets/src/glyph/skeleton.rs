/// One stroke of a skeleton: the points a pen passes through, in unit coordinates (x to the right, y down, the
/// body of the glyph within -1..=1).
pub(super) struct Stroke {
    pub(super) points: &'static [(f64, f64)],
    pub(super) bend: Bend,
}

/// How a pen goes from point to point.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bend {
    /// Straight, with corners at the points.
    Corners,
    /// A smooth curve through the points.
    Smooth,
    /// A smooth closed curve through the points; the first is not repeated.
    Closed,
}

const fn corners(points: &'static [(f64, f64)]) -> Stroke {
    Stroke { points, bend: Bend::Corners }
}

const fn smooth(points: &'static [(f64, f64)]) -> Stroke {
    Stroke { points, bend: Bend::Smooth }
}

const fn closed(points: &'static [(f64, f64)]) -> Stroke {
    Stroke { points, bend: Bend::Closed }
}

/// Names of the classes, in class order.
pub(super) const NAMES: [&str; 12] =
    ["theta", "cross", "zed", "psi", "ess", "pi", "arrow", "spiral", "cup", "delta", "key", "ladder"];

/// Strokes of the classes, in class order. No two are turned or slanted into each other by the factors' ranges.
pub(super) const STROKES: [&[Stroke]; 12] = [
    &[
        closed(&[
            (0.0, -1.0),
            (0.45, -0.75),
            (0.66, 0.0),
            (0.45, 0.75),
            (0.0, 1.0),
            (-0.45, 0.75),
            (-0.66, 0.0),
            (-0.45, -0.75),
        ]),
        corners(&[(-0.62, 0.0), (0.62, 0.0)]),
    ],
    &[corners(&[(0.0, -0.95), (0.0, 0.95)]), corners(&[(-0.85, -0.1), (0.85, -0.1)])],
    &[corners(&[(-0.75, -0.9), (0.75, -0.9), (-0.75, 0.9), (0.75, 0.9)])],
    &[
        smooth(&[
            (-0.85, -0.85),
            (-0.8, -0.2),
            (-0.45, 0.2),
            (0.0, 0.28),
            (0.45, 0.2),
            (0.8, -0.2),
            (0.85, -0.85),
        ]),
        corners(&[(0.0, -1.0), (0.0, 1.0)]),
    ],
    &[smooth(&[
        (0.62, -0.75),
        (0.1, -1.0),
        (-0.5, -0.75),
        (-0.42, -0.25),
        (0.1, 0.0),
        (0.55, 0.35),
        (0.45, 0.85),
        (-0.1, 1.0),
        (-0.65, 0.75),
    ])],
    &[
        corners(&[(-0.9, -0.8), (0.9, -0.8)]),
        smooth(&[(-0.42, -0.8), (-0.45, 0.1), (-0.65, 0.9)]),
        smooth(&[(0.42, -0.8), (0.42, 0.2), (0.5, 0.75), (0.8, 0.85)]),
    ],
    &[corners(&[(0.0, 1.0), (0.0, -0.95)]), corners(&[(-0.65, -0.25), (0.0, -0.98), (0.65, -0.25)])],
    &[smooth(&[
        (0.12, 0.2),
        (-0.2, 0.05),
        (-0.08, -0.35),
        (0.38, -0.3),
        (0.58, 0.2),
        (0.2, 0.72),
        (-0.5, 0.6),
        (-0.82, -0.05),
        (-0.6, -0.7),
        (0.0, -1.0),
        (0.75, -0.85),
    ])],
    &[
        smooth(&[
            (-0.75, -0.45),
            (-0.72, 0.3),
            (-0.4, 0.8),
            (0.0, 0.93),
            (0.4, 0.8),
            (0.72, 0.3),
            (0.75, -0.45),
        ]),
        smooth(&[(-0.06, -0.75), (0.08, -0.68), (0.02, -0.5)]),
    ],
    &[corners(&[(0.0, -0.95), (0.85, 0.8), (-0.85, 0.8), (0.0, -0.95)])],
    &[
        closed(&[
            (0.0, -1.0),
            (0.34, -0.84),
            (0.48, -0.5),
            (0.34, -0.16),
            (0.0, 0.0),
            (-0.34, -0.16),
            (-0.48, -0.5),
            (-0.34, -0.84),
        ]),
        corners(&[(0.0, 0.0), (0.0, 1.0), (0.55, 1.0)]),
        corners(&[(0.0, 0.55), (0.42, 0.55)]),
    ],
    &[
        corners(&[(-0.55, -1.0), (-0.55, 1.0)]),
        corners(&[(0.55, -1.0), (0.55, 1.0)]),
        corners(&[(-0.55, -0.4), (0.55, -0.4)]),
        corners(&[(-0.55, 0.4), (0.55, 0.4)]),
    ],
];
