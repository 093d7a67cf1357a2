use lookalike_kernels::elementary;
use lookalike_plugin_api::Image;

/// An image in the making: values 0..=1 once it is done, height x width x channels.
#[derive(Debug, Clone)]
pub(super) struct Raster {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) values: Vec<f32>,
}

impl Raster {
    pub(super) fn of(image: &Image) -> Self {
        let values = image.samples().iter().map(|sample| f32::from(*sample) / 255.0).collect();
        Self { height: image.height(), width: image.width(), channels: image.channels(), values }
    }

    /// One channel, each value from `value`, row by row.
    pub(super) fn plane(height: usize, width: usize, mut value: impl FnMut() -> f64) -> Self {
        let values = (0..height * width).map(|_| value() as f32).collect();
        Self { height, width, channels: 1, values }
    }

    /// Clamped to 0..=1 and rounded to 8 bits.
    pub(super) fn into_image(self) -> Image {
        let samples = self.values.iter().map(|value| to_sample(*value)).collect();
        Image::new(self.height, self.width, self.channels, samples)
            .expect("a raster keeps the shape of the image that it was made of")
    }

    /// The place in `values` of a pixel's first channel; beyond the border it is the nearest edge pixel.
    pub(super) fn place(&self, row: i64, column: i64) -> usize {
        let inside = |at: i64, side: usize| usize::try_from(at).unwrap_or(0).min(side - 1);
        (inside(row, self.height) * self.width + inside(column, self.width)) * self.channels
    }

    /// The same shape, each value from its row, column and channel.
    pub(super) fn map(&self, mut value: impl FnMut(i64, i64, usize) -> f32) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for row in (0_i64..).take(self.height) {
            for column in (0_i64..).take(self.width) {
                for channel in 0..self.channels {
                    values.push(value(row, column, channel));
                }
            }
        }
        Self { values, ..*self }
    }

    /// Between four pixels, by straight lines.
    pub(super) fn between(&self, row: f32, column: f32, channel: usize) -> f32 {
        let (top, left) = (row.floor(), column.floor());
        let (v, u) = (row - top, column - left);
        let at =
            |down: i64, right: i64| self.values[self.place(top as i64 + down, left as i64 + right) + channel];
        (at(0, 0) * (1.0 - u) + at(0, 1) * u) * (1.0 - v) + (at(1, 0) * (1.0 - u) + at(1, 1) * u) * v
    }

    /// The weighted sum of pixels at offsets (down, right).
    pub(super) fn filtered(&self, kernel: &[(i64, i64, f32)]) -> Self {
        self.map(|row, column, channel| {
            let term = |&(down, right, weight): &(i64, i64, f32)| {
                weight * self.values[self.place(row + down, column + right) + channel]
            };
            kernel.iter().map(term).sum()
        })
    }

    /// Gaussian blur, cut off at `reach` deviations.
    pub(super) fn blurred(&self, deviation: f64, reach: f64) -> Self {
        let bell = bell(deviation, (reach * deviation + 0.5) as i64);
        if bell.len() == 1 {
            return self.clone();
        }
        let along: Vec<_> = bell.iter().map(|&(at, weight)| (0, at, weight)).collect();
        let down: Vec<_> = bell.iter().map(|&(at, weight)| (at, 0, weight)).collect();
        self.filtered(&along).filtered(&down)
    }

    /// Enlarged about the centre and cut to the same size.
    pub(super) fn zoomed(&self, factor: f32) -> Self {
        let (middle_row, middle_column) = ((self.height - 1) as f32 / 2.0, (self.width - 1) as f32 / 2.0);
        self.map(|row, column, channel| {
            let from = |at: i64, middle: f32| middle + (at as f32 - middle) / factor;
            self.between(from(row, middle_row), from(column, middle_column), channel)
        })
    }
}

/// Weights of a Gaussian at -reach..=reach, of sum 1.
pub(super) fn bell(deviation: f64, reach: i64) -> Vec<(i64, f32)> {
    let weight = |at: i64| elementary::exp(-((at * at) as f64) / (2.0 * deviation * deviation));
    let total: f64 = (-reach..=reach).map(weight).sum();
    (-reach..=reach).map(|at| (at, (weight(at) / total) as f32)).collect()
}

/// The nearest 8-bit sample.
#[expect(clippy::cast_sign_loss, reason = "the cast saturates, which is the clamp")]
pub(super) fn to_sample(value: f32) -> u8 {
    (value * 255.0).round() as u8
}
