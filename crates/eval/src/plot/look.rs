use plotters::style::RGBColor;

use crate::plot::PlotError;
use crate::plot::canvas::{Canvas, Point};

/// The colours of the series in order: those of Okabe and Ito 2008 that are dark enough for lines on white, which people
/// with any common colour blindness tell apart.
pub const PALETTE: [[u8; 3]; 7] = [
    [0, 114, 178],   // blue
    [213, 94, 0],    // vermilion
    [0, 158, 115],   // bluish green
    [230, 159, 0],   // orange
    [204, 121, 167], // reddish purple
    [86, 180, 233],  // sky blue
    [0, 0, 0],       // black
];

/// Most series of one plot: each has a combination of colour, marker and line of its own.
pub const MOST_SERIES: usize = 14;

/// Half the size of a marker, in pixels.
pub(super) const REACH: i32 = 5;

/// How a series looks; its number decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    number: usize,
}

impl Look {
    pub(super) fn of(number: usize) -> Self {
        Self { number }
    }

    pub(super) fn colour(self) -> RGBColor {
        let [red, green, blue] = PALETTE[self.number % PALETTE.len()];
        RGBColor(red, green, blue)
    }

    /// The second time round the palette lines are dashed and markers hollow.
    pub(super) fn second_round(self) -> bool {
        self.number >= PALETTE.len()
    }

    /// A marker of its own for each colour, on a white edge that parts it from the lines under it.
    pub(super) fn marker(self, canvas: &Canvas<'_>, (x, y): Point) -> Result<(), PlotError> {
        let r = REACH;
        let ring = |angles: [(i32, i32); 4]| angles.map(|(dx, dy)| (x + dx, y + dy)).to_vec();
        let outline: Vec<Point> = match self.number % PALETTE.len() {
            0 => return canvas.disc((x, y), r, self.colour(), self.second_round()),
            1 => ring([(-r, -r), (r, -r), (r, r), (-r, r)]),
            2 => vec![(x, y - r - 1), (x + r + 1, y + r - 1), (x - r - 1, y + r - 1)],
            3 => ring([(0, -r - 2), (r + 2, 0), (0, r + 2), (-r - 2, 0)]),
            4 => vec![(x, y + r + 1), (x + r + 1, y - r + 1), (x - r - 1, y - r + 1)],
            5 => cross(x, y, [(1, 0), (0, 1)]),
            _ => cross(x, y, [(1, 1), (-1, 1)]),
        };
        canvas.shape(outline, self.colour(), self.second_round())
    }
}

/// A cross with arms along two directions at right angles.
fn cross(x: i32, y: i32, [(ax, ay), (bx, by)]: [(i32, i32); 2]) -> Vec<Point> {
    // Slanted arms are longer by the root of two for the same steps.
    let (long, thin) = if ax * ay == 0 { (REACH + 1, 2) } else { (REACH - 1, 1) };
    let corner = |a: i32, b: i32| (x + a * ax + b * bx, y + a * ay + b * by);
    vec![
        corner(long, thin),
        corner(thin, thin),
        corner(thin, long),
        corner(-thin, long),
        corner(-thin, thin),
        corner(-long, thin),
        corner(-long, -thin),
        corner(-thin, -thin),
        corner(-thin, -long),
        corner(thin, -long),
        corner(thin, -thin),
        corner(long, -thin),
    ]
}
