use super::*;
use lookalike_kernels::Random32;

/// A convolution by its definition, channels last.
fn reference(
    window: Window,
    plane: [usize; 2],
    inputs: usize,
    outputs: usize,
    image: &[f32],
    kernel: &[f32],
) -> Vec<f32> {
    let [height, width] = plane.map(|length| window.positions(length));
    let mut found = vec![0.0; height * width * outputs];
    for (at, value) in found.iter_mut().enumerate() {
        let (row, column, output) = (at / outputs / width, at / outputs % width, at % outputs);
        for (tap, weights) in (0..window.side * window.side).map(|tap| (tap, kernel)) {
            let (tap_row, tap_column) = (tap / window.side, tap % window.side);
            let from_row = (row * window.stride + tap_row).wrapping_sub(window.padding);
            let from_column = (column * window.stride + tap_column).wrapping_sub(window.padding);
            if from_row < plane[0] && from_column < plane[1] {
                for input in 0..inputs {
                    let weight = weights[(output * inputs + input) * window.side * window.side + tap];
                    *value += weight * image[(from_row * plane[1] + from_column) * inputs + input];
                }
            }
        }
    }
    found
}

/// The same by a lowering.
fn lowered(lowering: &Lowering, outputs: usize, images: &[Vec<f32>], kernel: &[f32]) -> Tensor<2> {
    let device = burn::tensor::Device::flex();
    let shape = lowering.matrix_shape(outputs);
    let mut matrix = vec![0.0; shape[0] * shape[1]];
    lowering.for_each_place(outputs, |to, from| matrix[to] = kernel[from]);
    let matrix = Tensor::<2>::from_data(TensorData::new(matrix, shape), &device);
    let shape = [images.len() * lowering.positions_in(), lowering.inputs];
    let rows = Tensor::from_data(TensorData::new(images.concat(), shape), &device);
    let indices = lowering.table().map(|table| Tensor::from_data(table.indices(images.len()), &device));
    let columns = lowering.columns(rows, images.len(), indices.as_ref());
    assert_eq!(columns.dims().iter().product::<usize>(), images.len() * lowering.columns_per_image(outputs));
    lowering.activation(columns.matmul(matrix), images.len(), outputs)
}

#[test]
fn every_lowering_is_the_convolution() {
    let mut random = Random32::new(1);
    let (inputs, outputs) = (3, 5);
    for (side, stride) in [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)] {
        let window = Window { side, stride, padding: side / 2 };
        for plane in [[1, 1], [2, 2], [1, 3], [3, 3], [5, 4], [9, 12]] {
            let mut values = |count: usize| (0..count).map(|_| random.normal()).collect::<Vec<f32>>();
            let kernel = values(outputs * inputs * side * side);
            let images = [values(plane[0] * plane[1] * inputs), values(plane[0] * plane[1] * inputs)];
            let expected: Vec<f32> = images
                .iter()
                .flat_map(|image| reference(window, plane, inputs, outputs, image, &kernel))
                .collect();
            for lowering in
                [Lowering::fastest(window, inputs, plane), Lowering::gathering(window, inputs, plane)]
            {
                let found = lowered(&lowering, outputs, &images, &kernel);
                let found: Vec<f32> = found.into_data().try_into_vec().unwrap();
                assert_eq!(found.len(), expected.len());
                let error = found.iter().zip(&expected).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
                assert!(error < 1e-4, "{side} x {side} / {stride} on {plane:?}: off by {error}");
            }
        }
    }
}

#[test]
fn planes_of_two_by_two_become_dense() {
    let window = Window { side: 3, stride: 1, padding: 1 };
    assert_eq!(Lowering::fastest(window, 8, [2, 2]).matrix_shape(8), [32, 32]);
    assert_eq!(Lowering::fastest(window, 8, [1, 1]).matrix_shape(8), [8, 8]);
    assert_eq!(Lowering::fastest(window, 8, [7, 7]).matrix_shape(8), [72, 8]);
}
