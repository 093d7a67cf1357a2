//! Convolutions as matrix products over channels-last activations.
//!
//! An activation is a matrix `[images x positions, channels]`. The backend's own convolution multiplies image by
//! image, which leaves products a few columns wide on the small planes of the later stages; here one product
//! spans the whole chunk. Taps that fall outside the plane at every position are left out, and where a plane is
//! so small that most pairs of positions are connected anyway, the convolution becomes one dense matrix.

use burn::tensor::{Int, Tensor, TensorData};

use crate::plan::Window;

/// Marks a tap outside the plane in a gather table.
const OUTSIDE: usize = usize::MAX;

/// How the input of one convolution becomes the left side of a matrix product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lowering {
    kind: Kind,
    inputs: usize,
    plane_in: [usize; 2],
    plane_out: [usize; 2],
    window: Window,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// 1 x 1, stride 1: the activation itself.
    Direct,
    /// All positions of an image in one row.
    Dense,
    /// One row per output position, with the channels of the listed taps `(row, column)` side by side.
    Gather { taps: Vec<(usize, usize)> },
}

impl Lowering {
    /// The lowering with the fewest operations.
    pub(crate) fn fastest(window: Window, inputs: usize, plane_in: [usize; 2]) -> Self {
        let mut lowering = Self::gathering(window, inputs, plane_in);
        if let Kind::Gather { taps } = &lowering.kind {
            let [positions_in, positions_out] = [lowering.positions_in(), lowering.positions_out()];
            // The second bound keeps the dense matrix from outgrowing the kernel it replaces.
            if positions_in <= taps.len() && positions_in * positions_out <= 2 * taps.len() {
                lowering.kind = Kind::Dense;
            }
        }
        lowering
    }

    /// The lowering whose matrix is the kernel itself, reordered: the one that training needs.
    pub(crate) fn gathering(window: Window, inputs: usize, plane_in: [usize; 2]) -> Self {
        let plane_out = plane_in.map(|length| window.positions(length));
        let kind = if window.side == 1 && window.stride == 1 {
            Kind::Direct
        } else {
            let live = |tap: usize, axis: usize| {
                (0..plane_out[axis]).any(|at| source(window, at, tap, plane_in[axis]).is_some())
            };
            let rows = (0..window.side).filter(|&tap| live(tap, 0));
            let taps =
                rows.flat_map(|row| (0..window.side).filter(|&tap| live(tap, 1)).map(move |tap| (row, tap)));
            Kind::Gather { taps: taps.collect() }
        };
        Self { kind, inputs, plane_in, plane_out, window }
    }

    pub(crate) fn plane_out(&self) -> [usize; 2] {
        self.plane_out
    }

    fn positions_in(&self) -> usize {
        self.plane_in.iter().product()
    }

    fn positions_out(&self) -> usize {
        self.plane_out.iter().product()
    }

    /// Rows and columns of the matrix for a convolution of `outputs` channels.
    pub(crate) fn matrix_shape(&self, outputs: usize) -> [usize; 2] {
        match &self.kind {
            Kind::Direct => [self.inputs, outputs],
            Kind::Dense => [self.positions_in() * self.inputs, self.positions_out() * outputs],
            Kind::Gather { taps } => [taps.len() * self.inputs, outputs],
        }
    }

    /// Values of one image in the left side of the product.
    pub(crate) fn columns_per_image(&self, outputs: usize) -> usize {
        let [rows, columns] = self.matrix_shape(outputs);
        rows * (self.positions_out() * outputs / columns)
    }

    /// Multiplications of one image in the product.
    pub(crate) fn multiplications(&self, outputs: usize) -> usize {
        let [rows, _] = self.matrix_shape(outputs);
        rows * self.positions_out() * outputs
    }

    /// Positions and channels of one image's activation before the convolution.
    pub(crate) fn shape_in(&self) -> [usize; 2] {
        [self.positions_in(), self.inputs]
    }

    /// The places of the kernel `[outputs, inputs, side, side]` in the matrix: calls `place(matrix, kernel)` with
    /// the index of every element of the matrix that holds an element of the kernel.
    pub(crate) fn for_each_place(&self, outputs: usize, mut place: impl FnMut(usize, usize)) {
        let side = self.window.side;
        let in_kernel = |output: usize, input: usize, (row, column): (usize, usize)| {
            ((output * self.inputs + input) * side + row) * side + column
        };
        match &self.kind {
            Kind::Direct => {
                for input in 0..self.inputs {
                    for output in 0..outputs {
                        place(input * outputs + output, in_kernel(output, input, (0, 0)));
                    }
                }
            }
            Kind::Gather { taps } => {
                for (number, &tap) in taps.iter().enumerate() {
                    for input in 0..self.inputs {
                        for output in 0..outputs {
                            let matrix = (number * self.inputs + input) * outputs + output;
                            place(matrix, in_kernel(output, input, tap));
                        }
                    }
                }
            }
            Kind::Dense => {
                let columns = self.positions_out() * outputs;
                self.for_each_connection(|to, tap, from| {
                    for input in 0..self.inputs {
                        for output in 0..outputs {
                            let matrix = (from * self.inputs + input) * columns + to * outputs + output;
                            place(matrix, in_kernel(output, input, tap));
                        }
                    }
                });
            }
        }
    }

    /// The places in this matrix of the one that [`Lowering::gathering`] has for the same convolution: calls
    /// `place(here, there)` with the starts of equal runs of `outputs` values. A run of the other matrix may have
    /// several places here.
    pub(crate) fn for_each_run(&self, outputs: usize, mut place: impl FnMut(usize, usize)) {
        let gathering = Self::gathering(self.window, self.inputs, self.plane_in);
        if let (Kind::Dense, Kind::Gather { taps }) = (&self.kind, &gathering.kind) {
            let columns = self.positions_out() * outputs;
            self.for_each_connection(|to, tap, from| {
                let Some(number) = taps.iter().position(|&known| known == tap) else { return };
                for input in 0..self.inputs {
                    let here = (from * self.inputs + input) * columns + to * outputs;
                    place(here, (number * self.inputs + input) * outputs);
                }
            });
        } else {
            let [rows, _] = self.matrix_shape(outputs);
            (0..rows).for_each(|row| place(row * outputs, row * outputs));
        }
    }

    /// Rows of the matrix that [`Lowering::gathering`] has for the same convolution.
    pub(crate) fn gathering_rows(&self, outputs: usize) -> usize {
        Self::gathering(self.window, self.inputs, self.plane_in).matrix_shape(outputs)[0]
    }

    /// Calls `connect(output position, tap, input position)` for every tap inside the plane.
    fn for_each_connection(&self, mut connect: impl FnMut(usize, (usize, usize), usize)) {
        let side = self.window.side;
        for to in 0..self.positions_out() {
            for tap in (0..side * side).map(|tap| (tap / side, tap % side)) {
                if let Some(from) = self.source(to, tap) {
                    connect(to, tap, from);
                }
            }
        }
    }

    fn source(&self, position: usize, (row, column): (usize, usize)) -> Option<usize> {
        let [at_row, at_column] = [position / self.plane_out[1], position % self.plane_out[1]];
        let row = source(self.window, at_row, row, self.plane_in[0])?;
        let column = source(self.window, at_column, column, self.plane_in[1])?;
        Some(row * self.plane_in[1] + column)
    }

    /// Input position of every tap of every output position, [`OUTSIDE`] in the padding; `None` where nothing is
    /// gathered.
    pub(crate) fn table(&self) -> Option<Table> {
        let Kind::Gather { taps } = &self.kind else { return None };
        let entries = (0..self.positions_out())
            .flat_map(|to| taps.iter().map(move |&tap| self.source(to, tap).unwrap_or(OUTSIDE)));
        Some(Table { positions: self.positions_in(), entries: entries.collect() })
    }

    /// The left side of the product for `images`.
    pub(crate) fn columns(
        &self,
        rows: Tensor<2>,
        images: usize,
        indices: Option<&Tensor<1, Int>>,
    ) -> Tensor<2> {
        match (&self.kind, indices) {
            (Kind::Gather { taps }, Some(indices)) => {
                let padding = Tensor::zeros([1, self.inputs], (&rows.device(), rows.dtype()));
                let padded = Tensor::cat(vec![rows, padding], 0);
                let gathered = padded.select(0, indices.clone());
                gathered.reshape([images * self.positions_out(), taps.len() * self.inputs])
            }
            (Kind::Dense, _) => rows.reshape([images, self.positions_in() * self.inputs]),
            (Kind::Direct | Kind::Gather { .. }, _) => rows,
        }
    }

    /// The activation `[images x positions, outputs]` from the product.
    pub(crate) fn activation(&self, product: Tensor<2>, images: usize, outputs: usize) -> Tensor<2> {
        match self.kind {
            Kind::Dense => product.reshape([images * self.positions_out(), outputs]),
            Kind::Direct | Kind::Gather { .. } => product,
        }
    }

    /// How often a bias repeats in a row of the product.
    pub(crate) fn bias_repeats(&self) -> usize {
        match self.kind {
            Kind::Dense => self.positions_out(),
            Kind::Direct | Kind::Gather { .. } => 1,
        }
    }
}

/// The input place of `tap` at output place `at` along one axis, if it is inside.
fn source(window: Window, at: usize, tap: usize, length: usize) -> Option<usize> {
    (at * window.stride + tap).checked_sub(window.padding).filter(|&place| place < length)
}

/// Which rows of one image's activation a gathering step reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    positions: usize,
    entries: Vec<usize>,
}

impl Table {
    /// A pooling window's table: like a convolution's, but a tap outside the plane repeats one inside, which does
    /// not change the largest value.
    pub(crate) fn pooling(window: Window, plane_in: [usize; 2]) -> Option<(Self, usize, [usize; 2])> {
        let lowering = Lowering::gathering(window, 1, plane_in);
        let mut table = lowering.table()?;
        let Kind::Gather { taps } = &lowering.kind else { return None };
        for at_one_position in table.entries.chunks_exact_mut(taps.len()) {
            let inside = at_one_position.iter().copied().find(|&entry| entry != OUTSIDE)?;
            for entry in at_one_position.iter_mut().filter(|entry| **entry == OUTSIDE) {
                *entry = inside;
            }
        }
        Some((table, taps.len(), lowering.plane_out))
    }

    /// The rows to read for `images` that lie one after the other, followed by one row of padding.
    pub(crate) fn indices(&self, images: usize) -> TensorData {
        let padding = images * self.positions;
        let of_image = |image: usize| {
            let row = move |&entry| if entry == OUTSIDE { padding } else { image * self.positions + entry };
            self.entries.iter().map(row).map(usize::cast_signed).map(|row| row as i64)
        };
        let indices: Vec<i64> = (0..images).flat_map(of_image).collect();
        let length = indices.len();
        TensorData::new(indices, [length])
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests;
